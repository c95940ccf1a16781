/** Runs commands and measures them as whole processes: wall time and the resident peak. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'

/** How often the resident peak is looked at; the kernel keeps the peak itself. */
const POLL_MS = 50

export interface Measured {
  readonly seconds: number
  readonly peakMib: number
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly input?: string
}

/** Runs `argv` to its end; throws with its standard error if it fails. */
export async function measure(
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<Measured> {
  const [program, ...args] = argv
  const start = performance.now()
  const child = spawn(program as string, args, {
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'ignore', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  child.stdin.end(options.input ?? '')
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-20_000)
  })
  let peakMib = 0
  const poll = setInterval(() => {
    peakMib = Math.max(peakMib, readPeakMib(child))
  }, POLL_MS)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  clearInterval(poll)
  if (code !== 0) throw new Error(`${argv.join(' ')}: exit ${code}\n${stderr}`)
  return { seconds: (performance.now() - start) / 1000, peakMib }
}

/** Resident peak of a running process in MiB; 0 when it has gone. */
export function readPeakMib(child: ChildProcess): number {
  try {
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
    return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

/** The middle of the sorted values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Median time and highest peak of several runs. */
export function summarise(runs: readonly Measured[]): Measured {
  return {
    seconds: median(runs.map((run) => run.seconds)),
    peakMib: Math.max(...runs.map((run) => run.peakMib)),
  }
}
