/** `cairn` as a process, for its commands beside `serve`. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { PROGRAM_ENVIRONMENT } from './run-client.ts'

const PROGRAM = join(import.meta.dirname, '../../src/cli/main-server.ts')
const RUN_TIME_MAX_MS = 200_000

export interface CommandRun {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  /** Told what it has printed so far; may send it a signal. */
  readonly onOutput?: (stdout: string, kill: (signal: NodeJS.Signals) => void) => void
}

/** Runs `cairn` with `args` to its end. */
export async function runServerCommand(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandRun> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: PROGRAM_ENVIRONMENT,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (data: Buffer) => {
    stdout += data.toString()
    options.onOutput?.(stdout, (signal) => child.kill(signal))
  })
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
  // A command that hangs is a failure that must say so.
  const watchdog = setTimeout(() => child.kill('SIGKILL'), RUN_TIME_MAX_MS)
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.once('error', reject)
  child.once('close', (status) => resolve(status))
  const status = await promise.finally(() => clearTimeout(watchdog))
  return { status, stdout, stderr }
}
