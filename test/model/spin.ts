/** Runs Spin's verifier on one variant of a model: all of its interleavings, within bounds of time and memory. */
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const MODELS = join(import.meta.dirname, '..', '..', 'model')
const MEMORY_MAX_MIB = 3_000
const DEPTH_MAX = 20_000
const OUTPUT_SIZE_MAX = 16 << 20

export interface SpinRun {
  /** `collection`: model/collection.pml. */
  readonly model: string
  /** Without `-D`. */
  readonly defines: readonly string[]
  readonly timeoutMs: number
  /** An assertion is to be violated; a state from which nothing goes on does not count then. */
  readonly expectsFailure: boolean
  /** Takes minutes: compiled well, and its states packed. Else compiling would take longer than it saves. */
  readonly isLong: boolean
}

export interface SpinResult {
  /** `unfinished`: time or memory ran out, which shows nothing. */
  readonly outcome: 'holds' | 'violated' | 'unfinished'
  readonly stateCount: number
  readonly seconds: number
  /** What the verifier said, for a person. */
  readonly output: string
}

/** Why Spin cannot run here, for `skip`; false if it can. */
export function spinMissing(): string | false {
  for (const program of ['spin', 'gcc']) {
    if (spawnSync(program, ['--version'], { stdio: 'ignore' }).error !== undefined) {
      return `needs ${program}`
    }
  }
  return false
}

/** Throws if the model does not compile. */
export async function runSpin(options: SpinRun): Promise<SpinResult> {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-model-'))
  const startedMs = performance.now()
  try {
    const output = await verify(folder, options)
    return judge(output, (performance.now() - startedMs) / 1000)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function verify(cwd: string, options: SpinRun): Promise<string> {
  const defines = options.defines.map((define) => `-D${define}`)
  const generated = await run('spin', ['-a', ...defines, join(MODELS, `${options.model}.pml`)], {
    cwd,
  })
  if (generated.stdout.includes('Error:')) throw new Error(generated.stdout)
  const bounds = [`-DMEMLIM=${MEMORY_MAX_MIB}`, '-DVECTORSZ=2048', '-DSAFETY']
  const effort = options.isLong ? ['-O2', '-DCOLLAPSE'] : ['-O0']
  await run('gcc', ['-w', ...effort, ...bounds, '-o', 'pan', 'pan.c'], { cwd })
  const flags = [`-m${DEPTH_MAX}`, '-w22', ...(options.expectsFailure ? ['-E'] : [])]
  try {
    const { timeoutMs: timeout } = options
    const ran = await run('./pan', flags, { cwd, timeout, maxBuffer: OUTPUT_SIZE_MAX })
    return ran.stdout
  } catch (error) {
    const { stdout = '' } = error as { stdout?: string }
    return `${stdout}\npan: stopped`
  }
}

function judge(output: string, seconds: number): SpinResult {
  const stateCount = Number(/(\d+) states, stored/.exec(output)?.[1] ?? '0')
  const isViolated = /pan:\d+: (assertion violated|invalid end state)/.test(output)
  const isWhole = /errors: 0/.test(output) && !/MEMLIM|depth too small|stopped/.test(output)
  const outcome = isViolated ? 'violated' : isWhole ? 'holds' : 'unfinished'
  return { outcome, stateCount, seconds, output }
}
