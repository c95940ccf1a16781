/** Waits for the tasks of a server: a session's clean-up is part of its task. */
import { watch } from 'node:fs/promises'
import type { Connection } from '../../src/client/connection.ts'

/** Resolves when no task runs any more; hears of ends by the task folder, which changes with each. */
export async function untilNoTaskRuns(connection: Connection, tasksFolder: string): Promise<void> {
  const stop = new AbortController()
  // Before the first look, so that no change is missed.
  const changes = watch(tasksFolder, { signal: stop.signal })
  try {
    if (!(await hasRunning(connection))) return
    for await (const _change of changes) if (!(await hasRunning(connection))) return
  } finally {
    stop.abort()
  }
}

async function hasRunning(connection: Connection): Promise<boolean> {
  const { data } = await connection.get('nodes/localhost/tasks', { running: true })
  return Array.isArray(data) && data.length > 0
}
