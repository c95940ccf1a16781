/** A Cairn server in a process of its own with its data in a new folder, as the benchmarks want it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type CairnProcess, startCairn } from '../../test/support/cairn-process.ts'
import { readPeakMib } from './measure.ts'

export interface BenchServer extends Pick<CairnProcess, 'child' | 'port' | 'fingerprint' | 'data'> {
  /** Environment under which the client needs no prompt. */
  readonly env: Readonly<Record<string, string>>
  /** Resident peak so far in MiB. */
  peakMib(): number
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

/** Starts `cairn serve` on a free port with its data in a new folder below `parent`. */
export async function startBenchServer(
  parent: string,
  options: readonly string[] = [],
): Promise<BenchServer> {
  const data = mkdtempSync(join(parent, 'cairn-'))
  const server = await startCairn(data, { options })
  const { child, port, fingerprint, environment: env } = server
  const stop = async (): Promise<void> => {
    await server.end('SIGTERM')
    rmSync(data, { recursive: true, force: true })
  }
  return { child, port, fingerprint, env, data, peakMib: () => readPeakMib(child), stop }
}
