/** The content-defined chunker against SHA-256, both on one core. */
import { DynamicChunker } from '../src/chunking/dynamic-chunker.ts'
import { rateOf, sha256Rate } from './support/raw-steps.ts'
import type { Result } from './support/result.ts'

/** Average chunk size of file archives. */
const AVERAGE = 4 << 20

/** Scan rate as a part of the SHA-256 rate; each is a median of five. */
export function benchChunker(): Result {
  const chunker = new DynamicChunker({ average: AVERAGE })
  const scan = rateOf((piece) => {
    for (let at = 0; at < piece.length; ) {
      const consumed = chunker.scan(piece.subarray(at))
      if (consumed === 0) return
      at += consumed
    }
  })
  const sha256 = sha256Rate()
  const mib = (rate: number) => ({ 'MiB/s': (rate / 2 ** 20).toFixed(0) })
  return {
    title: 'Chunker',
    rows: [
      { name: 'chunker', figures: mib(scan) },
      { name: 'SHA-256', figures: mib(sha256) },
    ],
    ratios: [{ name: 'chunker rate as a part of SHA-256', value: scan / sha256, goal: 0.6 }],
  }
}
