/** Feeds damaged input to a decoder: an error of ours is right; a crash, a hang or growing memory is not. */
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { SeededRandom } from '../../bench/support/random.ts'
import { CairnError } from '../../src/base/errors.ts'
import { mutate } from './mutate.ts'
import { Watchdog } from './watchdog.ts'

export interface FuzzTarget {
  readonly name: string
  /** Good input, as the stock software wrote it; the decoder must accept it. */
  readonly samples: readonly Uint8Array[]
  /** Every text is taken, as far as it goes: only crashes, hangs and memory are looked for. */
  readonly isLenient?: boolean
  /** What `random` chooses may stand against good input, too. */
  readonly mayRefuseSamples?: boolean
  /**
   * Decodes; resolves when the input was accepted, throws a CairnError when it was refused.
   * `random` chooses what is not in the input: sizes of pieces, options.
   */
  decode(bytes: Uint8Array, random: SeededRandom): Promise<void> | void
  /** Checks what must hold after any number of inputs, and cleans up. */
  end?(): Promise<void> | void
}

export interface FuzzResult {
  readonly inputs: number
  readonly accepted: number
}

/** Time of the processor: a decoder of a few KiB that takes longer takes a bad power of its input's length. */
const INPUT_TIME_MAX_US = 1_000_000
/** Growth over a run of what is resident and of buffers; garbage not yet collected is below that. */
const GROWTH_MAX = 512 << 20
const MEMORY_CHECK_INTERVAL = 64

/** A machine that is too slow to be told much in the time has so many inputs to show it. */
const LATE_INPUTS_MAX = 2_000

export interface FuzzOptions {
  readonly seconds: number
  readonly seed: string
  /** Whether what was seen says something; without it no input more is tried than the time allows. */
  readonly isEnough?: (result: FuzzResult) => boolean
}

/** Runs `target` for `seconds`; throws with seed and number of the first input that breaks a promise. */
export async function fuzz(
  target: FuzzTarget,
  { seconds, seed, isEnough = () => true }: FuzzOptions,
): Promise<FuzzResult> {
  const random = new SeededRandom(`${seed} ${target.name}`)
  await checkSamples(target, random)
  using watchdog = new Watchdog(`${target.name}, seed '${seed}'`)
  const memory = process.memoryUsage()
  const end = performance.now() + seconds * 1000
  let inputs = 0
  let accepted = 0
  const isLate = (): boolean => inputs < LATE_INPUTS_MAX && !isEnough({ inputs, accepted })
  while (performance.now() < end || isLate()) {
    const input = mutate(target.samples, random)
    inputs = watchdog.step()
    const which = `${target.name}, seed '${seed}', input ${inputs}`
    const start = process.threadCpuUsage()
    if (await isAccepted(target, { input, random, which })) accepted++
    checkTime(which, process.threadCpuUsage(start).user, input)
    if (inputs % MEMORY_CHECK_INTERVAL === 0) checkMemory(which, memory)
  }
  await target.end?.()
  return { inputs, accepted }
}

async function checkSamples(target: FuzzTarget, random: SeededRandom): Promise<void> {
  for (const sample of target.samples) {
    try {
      await target.decode(new Uint8Array(sample), random)
    } catch (error) {
      const isRefusal = error instanceof CairnError && target.mayRefuseSamples === true
      if (!isRefusal) throw new Error(`${target.name}: a sample is refused`, { cause: error })
    }
  }
}

async function isAccepted(
  target: FuzzTarget,
  {
    input,
    random,
    which,
  }: { readonly input: Uint8Array; readonly random: SeededRandom; readonly which: string },
): Promise<boolean> {
  const copy = new Uint8Array(input)
  try {
    await target.decode(copy, random)
    return true
  } catch (error) {
    if (error instanceof CairnError) return false
    throw new Error(`${which}: not an error of ours (input in ${keepInput(input)})`, {
      cause: error,
    })
  }
}

function checkTime(which: string, took: number, input: Uint8Array): void {
  if (took < INPUT_TIME_MAX_US) return
  throw new Error(`${which}: took ${took} µs (input in ${keepInput(input)})`)
}

function checkMemory(which: string, start: NodeJS.MemoryUsage): void {
  const { rss, arrayBuffers } = process.memoryUsage()
  const growth = Math.max(rss - start.rss, arrayBuffers - start.arrayBuffers)
  if (growth > GROWTH_MAX) throw new Error(`${which}: memory grew by ${growth >> 20} MiB`)
}

function keepInput(input: Uint8Array): string {
  const path = join(tmpdir(), `cairn-fuzz-${process.pid}`)
  writeFileSync(path, input)
  return path
}
