/** Rates of the steps that no implementation can avoid, measured alone, in bytes per second. */
import { createHash } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { SeededRandom } from './random.ts'
import { median } from './measure.ts'

const SAMPLE_SIZE = 64 << 20
const PIECE_SIZE = 4 << 20

/** Bytes per second that `step` gets through on one core: the median of five rounds over 64 MiB. */
export function rateOf(step: (piece: Buffer) => void): number {
  const sample = new SeededRandom('raw').bytes(SAMPLE_SIZE)
  const rates = Array.from({ length: 5 }, () => {
    const start = performance.now()
    for (let at = 0; at < SAMPLE_SIZE; at += PIECE_SIZE) step(sample.subarray(at, at + PIECE_SIZE))
    return (SAMPLE_SIZE / (performance.now() - start)) * 1000
  })
  return median(rates)
}

/** SHA-256 on one core. */
export function sha256Rate(): number {
  return rateOf((piece) => createHash('sha256').update(piece).digest())
}
