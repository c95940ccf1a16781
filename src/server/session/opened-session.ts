/** A session whose checks have passed, between its opening and its connection. */
import type { Task } from '../../tasks/task.ts'
import type { TaskStart } from '../../tasks/task-registry.ts'
import type { ConnectionEnd, ServeOptions } from './connection.ts'

/** Speaks with the client until the connection ends. */
export type ServeConnection = (
  options: Pick<ServeOptions, 'onUpgraded' | 'serve'>,
) => Promise<ConnectionEnd>

export interface OpenedSession {
  /** Value of the `upgrade` header of the 101. */
  readonly protocol: string
  /** The session as one of its datastore's active operations; the receiver ends it. */
  readonly operation: Disposable
  readonly task: TaskStart
  /** Lets go of everything when the task could not be started. */
  giveUp(): Promise<void>
  /** The task's work: `serve` in its middle. Throws what the task's status shall say. */
  run(task: Task, serve: ServeConnection): Promise<void>
}
