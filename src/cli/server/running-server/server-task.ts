/** A task that a command has the running server do: started by its call, followed to its end, stopped by Ctrl-C. */
import { hasCode } from '../../../base/errors.ts'
import type { Connection } from '../../../client/connection.ts'
import { followTask, stopTask } from '../../../client/tasks.ts'
import type { Query } from '../../../transport/query.ts'
import type { CommandContext } from '../../context.ts'
import { errors } from '../errors.ts'

/** A call of the API that answers with the UPID of a task. */
export interface TaskCall {
  /** Below `/api2/json/`. */
  readonly path: string
  readonly parameters: Readonly<Record<string, unknown>>
  /** Default POST; parameters of a PUT are texts and flags. */
  readonly method?: 'POST' | 'PUT'
}

const POLL_MS = 200
/** A reload closes idle connections: a request that meets that is made again. */
const RETRY_MAX = 25

/** Has the server do `call` and prints the lines of its log. Errors: TASK_FAILED, the server's refusals. */
export async function runOnServer(
  connection: Connection,
  context: CommandContext,
  call: TaskCall,
): Promise<void> {
  const { data } =
    call.method === 'PUT'
      ? await connection.put(call.path, call.parameters as Query)
      : await connection.post(call.path, call.parameters)
  const upid = String(data)
  // It ends when it has noticed; its end is waited for.
  const stop = (): void => void stopTask(connection, upid).catch(() => {})
  context.signal.addEventListener('abort', stop, { once: true })
  if (context.signal.aborted) stop()
  try {
    await follow(connection, context, upid)
  } catch (error) {
    if (!hasCode(error, 'TASK_FAILED')) throw error
    throw errors.TASK_FAILED({ upid, status: String(error.data['status']) })
  } finally {
    context.signal.removeEventListener('abort', stop)
  }
}

async function follow(
  connection: Connection,
  { clock, output }: CommandContext,
  upid: string,
): Promise<void> {
  let start = 1
  let failures = 0
  const onLine = (line: string): void => {
    start += 1
    failures = 0
    output.line(line)
  }
  for (;;) {
    try {
      await followTask(connection, upid, { clock, onLine, pollMs: POLL_MS, start })
      return
    } catch (error) {
      failures += 1
      const isLost = hasCode(error, 'REQUEST_FAILED', 'CONNECT_FAILED')
      if (!isLost || failures > RETRY_MAX) throw error
      await clock.sleep(POLL_MS)
    }
  }
}
