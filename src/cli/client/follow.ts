/** Shows the task that a command has started on the server (spec cli 4.16). */
import type { Connection } from '../../client/connection.ts'
import { followTask } from '../../client/tasks.ts'
import type { OutputFormat } from '../output.ts'
import type { ClientContext } from './common.ts'

/** Text: its log until it ends; JSON: the UPID at once. @throws TASK_FAILED */
export async function showTask(
  context: ClientContext,
  connection: Connection,
  { upid, format: option }: { readonly upid: string; readonly format: OutputFormat | undefined },
): Promise<void> {
  const { clock, output } = context
  const format = output.format(option)
  if (format === null) return
  if (format !== 'text') return output.json(upid, { isPretty: format === 'json-pretty' })
  await followTask(connection, upid, { clock, onLine: (line) => output.line(line) })
}
