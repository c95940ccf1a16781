/**
 * Cuts an archive as the chunker does, without scanning what repeats the previous backup: as many bytes as the
 * previous index says come next are hashed, and if the digest is the one it names, the chunker would have cut there.
 * Otherwise they are cut anew, with all that was cut behind them meanwhile.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { PooledBuffer } from '../../base/buffer-pool.ts'
import { ChunkAssembly } from '../../chunking/chunk-assembly.ts'
import { inTurns, SCAN_TURN_SIZE } from '../../chunking/chunk-stream.ts'
import { DynamicChunker } from '../../chunking/dynamic-chunker.ts'
import type { ArchiveIndex } from '../../formats/archive-index.ts'
import type { Digest } from '../../formats/digest.ts'
import { type PredictedChunk, PreviousCuts } from './previous-cuts.ts'
import type { SourceChunk } from './source-chunk.ts'

export interface PredictedChunksOptions {
  /** Average size in bytes; see DynamicChunker. */
  readonly average: number
  /** Index of the same archive in the previous snapshot; it may say anything. */
  readonly previous: ArchiveIndex
  /** Digest of a chunk as this backup stores it: keyed where chunks are encrypted. The bytes do not change meanwhile. */
  readonly digestOf: (bytes: Uint8Array) => Promise<Digest>
  readonly signal: AbortSignal | undefined
}

/** Chunks that are hashed while the next one is put together. */
const HASHES_AT_ONCE = 3

/**
 * Chunks of `source` with their digests; pieces and chunks belong to whom they do with `chunkDynamic`.
 *
 * The chunks are those of `chunkDynamic` whenever an honest chunker of the same average wrote the previous index (ours and
 * stock's are one). One of another average is not followed if a single size in it is impossible now, if
 * the chunker would not cut behind the last 64 bytes of a chunk, or unless it agreed with the chunker several times in a row just
 * before. What is left is a larger average whose cuts agreed by chance: then a chunk may be longer than the
 * chunker would have made it, within its limits, and is one that the server has. Digests are only ever computed here.
 */
export async function* predictedChunks(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: PredictedChunksOptions,
): AsyncGenerator<SourceChunk & { readonly digest: Digest }, void, undefined> {
  const cutter = new PredictingCutter(options)
  for await (const piece of inTurns(source, options.signal)) yield* cutter.take(piece)
  yield* cutter.finish()
}

/** Bytes to be cut: borrowed from the source, or a chunk that is cut anew. */
interface Piece {
  bytes: Uint8Array
  readonly buffer: PooledBuffer | null
}

/** A chunk that is being hashed. */
interface HashedAhead {
  readonly buffer: PooledBuffer
  /** What its digest must be for the cut to stand; null for a cut of the chunker. */
  readonly predicted: Digest | null
  /** Settles once, never rejects; then `result` is there. */
  readonly done: Promise<void>
  result: { readonly digest: Digest | null } | { readonly error: unknown } | null
}

class PredictingCutter {
  readonly #digestOf: (bytes: Uint8Array) => Promise<Digest>
  readonly #chunker: DynamicChunker
  readonly #previous: PreviousCuts
  /** The chunk that is being cut, and what it is thought to be. */
  readonly #pending: ChunkAssembly
  #prediction: PredictedChunk | null = null
  /** In order; all of them lie before the pending chunk. */
  #ahead: HashedAhead[] = []
  #input: Piece[] = []

  constructor({ average, previous, digestOf }: PredictedChunksOptions) {
    this.#digestOf = digestOf
    this.#chunker = new DynamicChunker({ average })
    this.#previous = new PreviousCuts(previous, this.#chunker)
    this.#pending = new ChunkAssembly({ average, sizeMax: this.#chunker.sizeMax })
  }

  /** Takes the next bytes of the archive, all of them. */
  async *take(bytes: Uint8Array) {
    this.#input.push({ bytes, buffer: null })
    yield* this.#drain()
  }

  /** The archive has ended. */
  async *finish() {
    for (;;) {
      yield* this.#settled(0)
      // A chunk that comes too short for its prediction is the chunker's to cut.
      if (this.#prediction !== null && this.#pending.size > 0) await this.#cutAnew()
      if (this.#input.length === 0) break
      yield* this.#drain()
    }
    if (this.#pending.size > 0) this.#hash(null)
    yield* this.#settled(0)
  }

  async *#drain() {
    for (;;) {
      yield* this.#settled(HASHES_AT_ONCE - 1)
      const [piece] = this.#input
      if (piece === undefined) return
      piece.bytes = piece.bytes.subarray(this.#advance(piece.bytes.subarray(0, SCAN_TURN_SIZE)))
      if (piece.buffer !== null) await nextTurn()
      if (piece.bytes.length > 0) continue
      this.#input.shift()
      piece.buffer?.[Symbol.dispose]()
    }
  }

  /** Chunks at the front that are certain; waits until no more than `countMax` are not. */
  async *#settled(countMax: number) {
    for (;;) {
      const [first] = this.#ahead
      if (first === undefined) return
      if (first.result === null && this.#ahead.length <= countMax) return
      await first.done
      const { buffer, predicted, result } = first
      if (result === null) return
      if ('error' in result) throw result.error
      const { digest } = result
      if (digest === null || (predicted !== null && digest !== predicted)) {
        await this.#cutAnew()
        return
      }
      this.#ahead.shift()
      this.#previous.follow(digest)
      yield { bytes: buffer.bytes, digest, release: () => buffer[Symbol.dispose]() }
    }
  }

  /** Takes bytes up to the next cut, and says how many. */
  #advance(bytes: Uint8Array): number {
    this.#prediction ??= this.#predict()
    const prediction = this.#prediction
    if (prediction === null) {
      const cut = this.#chunker.scan(bytes)
      const count = cut === 0 ? bytes.length : cut
      this.#pending.append(bytes.subarray(0, count))
      if (cut !== 0) this.#hash(null)
      return count
    }
    const part = bytes.subarray(0, prediction.size - this.#pending.size)
    this.#pending.append(part)
    if (this.#pending.size === prediction.size) this.#hash(prediction.digest)
    return part.length
  }

  /** What the pending chunk is, if all before it is as the previous index says; also in the middle of a scan. */
  #predict(): PredictedChunk | null {
    if (this.#ahead.some(({ predicted }) => predicted === null)) return null
    const prediction = this.#previous.predict(this.#ahead.length)
    if (prediction === null || prediction.size <= this.#pending.size) return null
    this.#chunker.reset()
    return prediction
  }

  /** Cuts the pending chunk off. */
  #hash(predicted: Digest | null): void {
    const buffer = this.#pending.take()
    this.#prediction = null
    const isPossible = predicted === null || this.#chunker.canEnd(buffer.bytes)
    const digest = isPossible ? this.#digestOf(buffer.bytes) : Promise.resolve(null)
    const done = digest.then(
      (value) => void (one.result = { digest: value }),
      (error: unknown) => void (one.result = { error }),
    )
    const one: HashedAhead = { buffer, predicted, done, result: null }
    this.#ahead.push(one)
  }

  /** Gives everything that is not certain back to the chunker. */
  async #cutAnew(): Promise<void> {
    for (const { done } of this.#ahead) await done
    const buffers = this.#ahead.map(({ buffer }) => buffer)
    if (this.#pending.size > 0) buffers.push(this.#pending.take())
    this.#input.unshift(...buffers.map((buffer) => ({ bytes: buffer.bytes, buffer })))
    this.#ahead = []
    this.#prediction = null
    this.#chunker.reset()
    this.#previous.lose()
  }
}
