/** `cairn reload`: tells the running server to start its successor, and waits until that one serves. */
import { setTimeout } from 'node:timers/promises'
import { isSystemError } from '../../../base/errors.ts'
import type { FileSystem } from '../../../base/fs/file-system.ts'
import { readProcessId } from '../../../server/process-id-file.ts'
import { command, integer, withDefault } from '../../command.ts'
import type { CommandContext } from '../../context.ts'
import { openAdministration, placeParameters } from '../administration.ts'
import { errors } from '../errors.ts'
import { isPlaceTaken, readServingState, type ServingState } from './serving-place.ts'

const WAIT_DEFAULT_S = 120
const POLL_MS = 100

export const reloadCommand = command({
  path: 'reload',
  summary: 'Starts the running server anew; backups and restores that run go on.',
  parameters: {
    wait: withDefault(
      integer('Seconds to wait for the new process to serve.', { min: 1, max: 86_400 }),
      WAIT_DEFAULT_S,
    ),
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const { fs, paths } = await openAdministration(values, context)
    const { run } = paths
    const before = await readServingState(fs, run)
    const pid = await signalServer(fs, run)
    const deadline = context.clock.monotonic() + values.wait * 1000
    let after: ServingState | null
    do {
      await setTimeout(POLL_MS, undefined, { signal: context.signal })
      after = await readServingState(fs, run)
      if (after !== null && after.report !== before?.report) break
      after = null
    } while (context.clock.monotonic() < deadline)
    if (after === null) throw errors.RELOAD_FAILED({ reason: 'the new process does not serve yet' })
    if (after.error !== null) throw errors.RELOAD_FAILED({ reason: after.error })
    context.output.line(`process ${after.pid} serves, process ${pid} ends its sessions`)
  },
})

/** Tells the server to reload; its pid. Errors: SERVER_NOT_RUNNING. */
async function signalServer(fs: FileSystem, run: string): Promise<number> {
  const pid = await readProcessId(fs, run)
  // A pid file may outlive its process, and the number may be another's by now.
  if (pid === null || !(await isPlaceTaken(fs, run))) throw errors.SERVER_NOT_RUNNING({ run })
  try {
    process.kill(pid, 'SIGHUP')
    return pid
  } catch (error) {
    if (!isSystemError(error, 'ESRCH')) throw error
    throw errors.SERVER_NOT_RUNNING({ run })
  }
}
