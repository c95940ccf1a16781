/** What travels between a verification and its threads. */
import type { ProblemKind } from './judge-chunk.ts'

/** Some chunks of one archive, to be read in this order. */
export interface VerifySlice {
  /** 32 bytes each. */
  readonly digests: Uint8Array
  /** Plain bytes of each, by the index. */
  readonly sizes: Uint32Array
  /** What the manifest says of the archive's chunks. */
  readonly encrypted: boolean
}

export interface ChunkFinding {
  /** Which of the slice. */
  readonly position: number
  readonly kind: ProblemKind
  readonly text: string
}

export interface SliceResult {
  /** Every chunk that is not good, in the slice's order. */
  readonly findings: readonly ChunkFinding[]
  /** Stored bytes read. */
  readonly readSize: number
  /** Plain bytes of the chunks that could be read. */
  readonly decodedSize: number
  /** Chunks that had to be waited for: all that did not lie in memory already. */
  readonly waitCount: number
}

/** What a verification has threads do; all of it is reading. */
export interface VerifyEngine extends AsyncDisposable {
  /** Slices that it works on at once; more wait. */
  readonly slicesAtOnce: number
  /** Reads and judges the chunks of a slice. Rejects with the signal's reason soon after it was aborted. */
  check(slice: VerifySlice, signal: AbortSignal): Promise<SliceResult>
  /** Positions of the packed `digests` in the order of their files' inodes; those without a file last. */
  order(digests: Uint8Array, signal: AbortSignal): Promise<Uint32Array>
}
