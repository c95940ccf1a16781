/** A Cairn server in a process of its own with its data in a new folder, as the benchmarks want it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import {
  type CairnOptions,
  type CairnProcess,
  startCairn,
} from '../../test/support/cairn-process.ts'
import { readPeakMib } from './measure.ts'

/** As users start them: with the launcher's flags. */
const PROGRAMS = join(import.meta.dirname, '..', '..', 'bin')

export interface BenchServer extends Pick<CairnProcess, 'child' | 'port' | 'fingerprint' | 'data'> {
  /** Environment under which the client needs no prompt. */
  readonly env: Readonly<Record<string, string>>
  /** Resident peak so far in MiB. */
  peakMib(): number
  /** Ends it; its data stays. */
  end(): Promise<void>
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

/** Starts `cairn serve` on a free port with its data in a new folder below `parent`. */
export async function startBenchServer(
  parent: string,
  options: readonly string[] = [],
): Promise<BenchServer> {
  const data = mkdtempSync(join(parent, 'cairn-'))
  return await startBenchServerOver(data, { options })
}

/** Starts a server over a data folder that is there. */
export async function startBenchServerOver(
  data: string,
  options: CairnOptions,
): Promise<BenchServer> {
  const server = await startCairn(data, { program: join(PROGRAMS, 'cairn.mjs'), ...options })
  const { child, port, fingerprint, environment: env } = server
  const end = async (): Promise<void> => {
    await server.end('SIGTERM')
  }
  const stop = async (): Promise<void> => {
    await end()
    // 65,536 folders: Node's own way takes several times as long.
    execFileSync('rm', ['-rf', data])
  }
  return { child, port, fingerprint, env, data, peakMib: () => readPeakMib(child), end, stop }
}

/** The argument vector of our client; run it with a server's `env`. */
export function clientCommand(...args: readonly string[]): string[] {
  return [process.execPath, join(PROGRAMS, 'cairn-client.mjs'), ...args]
}
