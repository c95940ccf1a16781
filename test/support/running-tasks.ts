/** Waits for the tasks of a server: a session's clean-up is part of its task. */
import { watch } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from '../../src/client/connection.ts'

/** A question costs a request, and the processor that the task needs. */
const POLL_MS = 20

/** Resolves when no task runs any more; hears of ends by the task folder, which changes with each. */
export async function untilNoTaskRuns(connection: Connection, tasksFolder: string): Promise<void> {
  let changed = Promise.withResolvers<void>()
  // Not the one of `fs/promises`, which watches only from the first step of its loop on: an end before it is missed.
  const watcher = watch(tasksFolder, () => changed.resolve())
  watcher.on('error', (error) => changed.reject(error))
  try {
    while (await hasRunning(connection)) {
      await changed.promise
      changed = Promise.withResolvers()
    }
  } finally {
    watcher.close()
  }
}

/** Resolves when the task has ended well, throws how it ended otherwise. */
export async function untilTaskEnds(connection: Connection, upid: string): Promise<void> {
  const ending = await endOfTask(connection, upid)
  if (ending !== 'OK') throw new Error(`task ${upid}: ${ending}`)
}

/** How the task ended, when it has. */
export async function endOfTask(connection: Connection, upid: string): Promise<string> {
  for (;;) {
    const path = `nodes/localhost/tasks/${encodeURIComponent(upid)}/status`
    const { data } = await connection.get(path)
    const { status, exitstatus } = data as { status?: string; exitstatus?: string }
    if (status === 'stopped') return exitstatus ?? ''
    await sleep(POLL_MS)
  }
}

async function hasRunning(connection: Connection): Promise<boolean> {
  const { data } = await connection.get('nodes/localhost/tasks', { running: true })
  return Array.isArray(data) && data.length > 0
}
