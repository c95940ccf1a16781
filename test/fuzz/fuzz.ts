/** Feeds damaged input to a decoder: an error of ours is right; a crash, a hang or growing memory is not. */
import { performance } from 'node:perf_hooks'
import { SeededRandom } from '../../bench/support/random.ts'
import { CairnError } from '../../src/base/errors.ts'
import { mutate } from './mutate.ts'

export interface FuzzTarget {
  readonly name: string
  /** Good input, as the stock software wrote it. */
  readonly samples: readonly Uint8Array[]
  /** Every text is taken, as far as it goes: only crashes, hangs and memory are looked for. */
  readonly isLenient?: boolean
  /** Decodes; resolves when the input was accepted, throws a CairnError when it was refused. */
  decode(bytes: Uint8Array): Promise<void> | void
}

export interface FuzzResult {
  readonly inputs: number
  readonly accepted: number
}

/** No input is larger than some MiB: a decoder that takes longer hangs. */
const INPUT_TIME_MAX_MS = 3000
/** Growth of the resident size over a run; garbage not yet collected is below that. */
const GROWTH_MAX = 512 << 20
const MEMORY_CHECK_INTERVAL = 256

/** Runs `target` for `seconds`; throws with seed and number of the first input that breaks a promise. */
export async function fuzz(
  target: FuzzTarget,
  { seconds, seed }: { seconds: number; seed: string },
): Promise<FuzzResult> {
  const random = new SeededRandom(`${seed} ${target.name}`)
  for (const sample of target.samples) await target.decode(sample)
  const residentAtStart = process.memoryUsage.rss()
  const end = performance.now() + seconds * 1000
  let inputs = 0
  let accepted = 0
  while (performance.now() < end) {
    const input = mutate(target.samples, random)
    inputs++
    const start = performance.now()
    if (await isAccepted(target, input, `${target.name}, seed '${seed}', input ${inputs}`))
      accepted++
    const took = performance.now() - start
    if (took > INPUT_TIME_MAX_MS) throw new Error(`${target.name}: input ${inputs} took ${took} ms`)
    if (inputs % MEMORY_CHECK_INTERVAL === 0) checkMemory(target.name, residentAtStart)
  }
  return { inputs, accepted }
}

async function isAccepted(target: FuzzTarget, input: Uint8Array, which: string): Promise<boolean> {
  try {
    await target.decode(input)
    return true
  } catch (error) {
    if (error instanceof CairnError) return false
    const hex = Buffer.from(input.subarray(0, 256)).toString('hex')
    throw new Error(`${which}: not an error of ours (${input.length} bytes, ${hex})`, {
      cause: error,
    })
  }
}

function checkMemory(name: string, residentAtStart: number): void {
  const growth = process.memoryUsage.rss() - residentAtStart
  if (growth > GROWTH_MAX) throw new Error(`${name}: memory grew by ${growth >> 20} MiB`)
}
