/** A stream of bytes as a stream of chunks, cut by content or by size. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { assert } from '../base/assert.ts'
import type { PooledBuffer } from '../base/buffer-pool.ts'
import { ChunkAssembly } from './chunk-assembly.ts'
import { DynamicChunker } from './dynamic-chunker.ts'
import { PieceBuffer } from './piece-buffer.ts'

/** Bytes scanned before other work has its turn: about a millisecond. */
export const SCAN_TURN_SIZE = 1024 * 1024

export interface ChunkDynamicOptions {
  /** Average size in bytes, a power of two; see DynamicChunker. */
  readonly average: number
  readonly signal?: AbortSignal | undefined
}

export interface ChunkFixedOptions {
  /** Bytes of every chunk but the last. */
  readonly size: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Chunks of `source`, cut by content. Pieces of `source` are borrowed until the next one is asked for; each chunk is
 * memory of its own, which the receiver may give back for later ones. An empty stream has no chunk (chunker.md 5).
 */
export async function* chunkDynamic(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ChunkDynamicOptions,
): AsyncGenerator<PooledBuffer, void, undefined> {
  const { average, signal } = options
  const chunker = new DynamicChunker({ average })
  const pending = new ChunkAssembly({ average, sizeMax: chunker.sizeMax })
  for await (const piece of inTurns(source, signal)) {
    for (let rest = piece; rest.length > 0; ) {
      const cut = chunker.scan(rest)
      const taken = cut === 0 ? rest.length : cut
      pending.append(rest.subarray(0, taken))
      rest = rest.subarray(taken)
      if (cut !== 0) yield pending.take()
    }
  }
  if (pending.size > 0) yield pending.take()
}

/** Chunks of `source` of `size` bytes each, the last one of what remains; ownership as chunkDynamic. */
export async function* chunkFixed(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ChunkFixedOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const { size, signal } = options
  assert(Number.isSafeInteger(size) && size > 0, 'a chunk has at least one byte')
  const pending = new PieceBuffer()
  for await (const piece of source) {
    signal?.throwIfAborted()
    pending.append(piece)
    while (pending.size >= size) yield pending.take(size)
  }
  signal?.throwIfAborted()
  if (pending.size > 0) yield pending.take(pending.size)
}

/** The bytes of `source` in pieces of at most SCAN_TURN_SIZE, with a turn of the event loop after as many. */
export async function* inTurns(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  let sizeInTurn = 0
  for await (const piece of source) {
    for (let start = 0; start < piece.length; start += SCAN_TURN_SIZE) {
      signal?.throwIfAborted()
      const part = piece.subarray(start, start + SCAN_TURN_SIZE)
      yield part
      sizeInTurn += part.length
      if (sizeInTurn < SCAN_TURN_SIZE) continue
      sizeInTurn = 0
      await nextTurn()
    }
  }
  signal?.throwIfAborted()
}
