/** A Cairn server in a process of its own, and the command line of our client against it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readPeakMib } from './measure.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const PASSWORD = 'benchmark'

export interface BenchServer {
  readonly child: ChildProcess
  readonly port: number
  readonly fingerprint: string
  /** Environment under which the client needs no prompt. */
  readonly env: Readonly<Record<string, string>>
  readonly data: string
  /** Resident peak so far in MiB. */
  peakMib(): number
  stop(): Promise<void>
}

/** Starts `cairn serve` on a free port with its data in a new folder below `parent`. */
export async function startBenchServer(
  parent: string,
  options: readonly string[] = [],
): Promise<BenchServer> {
  const data = mkdtempSync(join(parent, 'cairn-'))
  const argv = [...serverCommand(), 'serve', '--data', data, '--port', '0', ...options]
  const child = spawn(process.execPath, argv, {
    env: { ...process.env, CAIRN_ADMIN_PASSWORD: PASSWORD },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { port, fingerprint } = await readGreeting(child)
  const env = {
    PBS_REPOSITORY: `admin@pbs@127.0.0.1:${port}:main`,
    PBS_PASSWORD: PASSWORD,
    PBS_FINGERPRINT: fingerprint,
  }
  return { child, port, fingerprint, env, data, peakMib: () => readPeakMib(child), stop }

  async function stop(): Promise<void> {
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    await exit
    rmSync(data, { recursive: true, force: true })
  }
}

/** The argument vector of our client; run it with the server's `env`. */
export function clientCommand(...args: readonly string[]): string[] {
  return [process.execPath, join(ROOT, 'src', 'cli', 'main-client.ts'), ...args]
}

function serverCommand(): string[] {
  return [join(ROOT, 'src', 'cli', 'main-server.ts')]
}

/** The port and fingerprint that `cairn serve` prints for the user to paste. */
async function readGreeting(child: ChildProcess): Promise<{ port: number; fingerprint: string }> {
  let text = ''
  for await (const piece of child.stdout ?? []) {
    text += String(piece)
    const port = /127\.0\.0\.1:(\d+):/.exec(text)?.[1]
    const fingerprint = /((?:[0-9a-f]{2}:){31}[0-9a-f]{2})/.exec(text)?.[1]
    if (port === undefined || fingerprint === undefined) continue
    child.stdout?.resume()
    return { port: Number(port), fingerprint }
  }
  throw new Error(`the server ended before it said its address:\n${text}`)
}
