/** `cairn serve` in a process of its own, for tests and benchmarks: started, watched, killed, started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { PROGRAM_ENVIRONMENT } from './run-client.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const SERVER_PROGRAM = join(ROOT, 'src', 'cli', 'main-server.ts')
const CLIENT_PROGRAM = join(ROOT, 'src', 'cli', 'main-client.ts')
/** Of the administrator; set at the first start. */
export const PASSWORD = 'test-password'
/** The end of what it printed is kept: a server that reports much must not fill memory. */
const OUTPUT_LENGTH_MAX = 1 << 20

export interface CairnProcess extends AsyncDisposable {
  readonly child: ChildProcess
  /** Everything lies below it. */
  readonly data: string
  readonly port: number
  readonly fingerprint: string
  /** Under which the client needs no prompt: repository, password, fingerprint. */
  readonly environment: Readonly<Record<string, string>>
  /** What it printed so far, both streams. */
  output(): string
  /** The first match in what it has printed or will print; throws when it ends before. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray>
  /** Sends `signal` and waits for the end; the exit status, null after SIGKILL. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

export interface CairnOptions {
  /** Options of `cairn serve`. */
  readonly options?: readonly string[]
  /** A program that takes the same arguments and greets in the same way; `cairn` by default. */
  readonly program?: string
  /** Added to `PATH` and the administrator's password. */
  readonly environment?: Readonly<Record<string, string>>
}

/** Starts a server on a free port with its data in the new or known folder `data`; resolves when it is up. */
export async function startCairn(data: string, options: CairnOptions = {}): Promise<CairnProcess> {
  const { program = SERVER_PROGRAM, options: given = [] } = options
  const child = spawn(
    process.execPath,
    [program, 'serve', '--data', data, '--port', '0', ...given],
    {
      env: { ...PROGRAM_ENVIRONMENT, CAIRN_ADMIN_PASSWORD: PASSWORD, ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let printed = ''
  let news = Promise.withResolvers<void>()
  const tell = (): void => {
    news.resolve()
    news = Promise.withResolvers<void>()
  }
  const note = (text: Buffer): void => {
    printed = (printed + text.toString()).slice(-OUTPUT_LENGTH_MAX)
    tell()
  }
  child.stdout.on('data', note)
  child.stderr.on('data', note)
  let isOver = false
  const ended = once(child, 'close').then(([status]) => {
    isOver = true
    tell()
    return status as number | null
  })
  const waitFor = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(printed)
      if (match !== null) return match
      if (isOver) throw new Error(`the server ended before it said ${pattern}:\n${printed}`)
      await news.promise
    }
  }
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal)
    return await ended
  }
  const [, port = ''] = await waitFor(/PBS_REPOSITORY='[^']*:(\d+):/)
  const [, fingerprint = ''] = await waitFor(/PBS_FINGERPRINT='([0-9a-f:]{95})'/)
  return {
    child,
    data,
    port: Number(port),
    fingerprint,
    environment: {
      PBS_REPOSITORY: `admin@pbs@127.0.0.1:${port}:main`,
      PBS_PASSWORD: PASSWORD,
      PBS_FINGERPRINT: fingerprint,
    },
    output: () => printed,
    waitFor,
    end,
    async [Symbol.asyncDispose]() {
      await end('SIGKILL')
    },
  }
}

/** The argument vector of our client; run it with a server's `environment`. */
export function clientCommand(...args: readonly string[]): string[] {
  return [process.execPath, CLIENT_PROGRAM, ...args]
}
