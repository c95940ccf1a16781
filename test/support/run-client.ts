/** `cairn-client` as a process. */
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAwake } from './awake-clock.ts'

const PROGRAM = join(import.meta.dirname, '../../bin/cairn-client.mjs')

/** For programs under test: what compiling found is kept, which saves them two thirds of their start. */
export const PROGRAM_ENVIRONMENT = {
  PATH: process.env['PATH'],
  NODE_COMPILE_CACHE: join(tmpdir(), `cairn-test-compile-cache-${process.getuid?.() ?? 0}`),
} as const

/** Those of `bin/launch.mjs`, which starts Node a second time without them (test/e2e/launch.test.ts). */
const PROGRAM_FLAGS = [
  '--max-semi-space-size=2',
  '--initial-old-space-size=128',
  '--disable-warning=ExperimentalWarning',
]

/** By default. */
const RUN_TIME_MAX_MS = 200_000

export interface ClientRun {
  readonly status: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

export interface ClientRunOptions {
  readonly cwd?: string
  /** Added to an otherwise empty environment with a home of its own. */
  readonly environment: Readonly<Record<string, string>>
  readonly input?: string
  /** After so long it is killed, and its status is null. */
  readonly timeMaxMs?: number
  /** Called with the process once it runs, to send signals. */
  readonly onStart?: (kill: (signal: NodeJS.Signals) => void) => void
}

/** Runs the client with `args` to its end. */
export async function runClient(
  args: readonly string[],
  options: ClientRunOptions,
): Promise<ClientRun> {
  const child = spawn(process.execPath, [...PROGRAM_FLAGS, PROGRAM, ...args], {
    cwd: options.cwd,
    env: { ...PROGRAM_ENVIRONMENT, LANG: 'C.UTF-8', TZ: 'UTC', ...options.environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const out: Buffer[] = []
  const errors: Buffer[] = []
  child.stdout.on('data', (data: Buffer) => out.push(data))
  child.stderr.on('data', (data: Buffer) => errors.push(data))
  child.stdin.end(options.input ?? '')
  options.onStart?.((signal) => child.kill(signal))
  // A client that hangs is a failure that must say so.
  const timeMaxMs = options.timeMaxMs ?? RUN_TIME_MAX_MS
  using _watchdog = afterAwake(timeMaxMs, () => child.kill('SIGKILL'))
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.once('error', reject)
  child.once('close', (status) => resolve(status))
  const status = await promise
  return { status, stdout: Buffer.concat(out), stderr: Buffer.concat(errors).toString('utf8') }
}
