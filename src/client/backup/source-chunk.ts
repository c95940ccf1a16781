/** A piece of an archive on its way to the server. */
import type { PooledBuffer } from '../../base/buffer-pool.ts'
import type { Digest } from '../../formats/digest.ts'

export interface SourceChunk {
  readonly bytes: Uint8Array
  /** True where the source knows that all bytes are zero; absent where somebody has to look. */
  readonly isZero?: boolean
  /** Where the source had to compute it. */
  readonly digest?: Digest
  /** Called once, when nobody reads `bytes` any more. */
  release(): void
}

/** A chunk of the previous snapshot: the server has it, and nobody here needs its bytes. */
export interface KnownChunk {
  readonly bytes: null
  readonly size: number
  readonly digest: Digest
}

/** Chunks in buffers of a pool. */
export async function* pooledChunks(
  source: AsyncIterable<PooledBuffer>,
): AsyncGenerator<SourceChunk, void, undefined> {
  for await (const buffer of source) {
    yield { bytes: buffer.bytes, release: () => buffer[Symbol.dispose]() }
  }
}
