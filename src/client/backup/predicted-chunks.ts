/**
 * Cuts an archive as the chunker does, without scanning what repeats the previous backup: as many bytes as the
 * previous index says come next are hashed, and if the digest is the one it names, the chunker would have cut there.
 * Otherwise they are cut anew, with all that was cut behind them meanwhile. Bytes that are only hashed are not copied.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { ChunkAssembly } from '../../chunking/chunk-assembly.ts'
import { SCAN_TURN_SIZE } from '../../chunking/chunk-stream.ts'
import { CUT_TAIL_SIZE, DynamicChunker } from '../../chunking/dynamic-chunker.ts'
import type { ArchiveIndex } from '../../formats/archive-index.ts'
import type { Digest } from '../../formats/digest.ts'
import { type PredictedChunk, PreviousCuts } from './previous-cuts.ts'
import { type PieceBytes, SharedPiece } from './shared-piece.ts'
import type { KnownChunk, SourceChunk } from './source-chunk.ts'

export interface PredictedChunksOptions {
  /** Average size in bytes; see DynamicChunker. */
  readonly average: number
  /** Index of the same archive in the previous snapshot; it may say anything. */
  readonly previous: ArchiveIndex
  /** Digest of a chunk in parts as this backup stores it: keyed where chunks are encrypted. They do not change meanwhile. */
  readonly digestOf: (parts: readonly Uint8Array[]) => Promise<Digest>
  readonly signal: AbortSignal | undefined
}

/** Chunks that are hashed while the next one is put together. */
const HASHES_AT_ONCE = 3

/**
 * Chunks of `source` with their digests, those of the previous index without their bytes. Pieces belong to this function
 * until it disposes of them: about as many as make four chunks.
 *
 * The chunks are those of `chunkDynamic` whenever an honest chunker of the same average wrote the previous index (ours and
 * stock's are one). One of another average is not followed if a single size in it is impossible now, if
 * the chunker would not cut behind the last 65 bytes of a chunk, or unless it agreed with the chunker several times in a row just
 * before. What is left is a larger average whose cuts agreed by chance: then a chunk may be longer than the
 * chunker would have made it, within its limits, and is one that the server has. Digests are only ever computed here.
 */
export async function* predictedChunks(
  source: AsyncIterable<PieceBytes> | Iterable<PieceBytes>,
  options: PredictedChunksOptions,
): AsyncGenerator<(SourceChunk & { readonly digest: Digest }) | KnownChunk, void, undefined> {
  const cutter = new PredictingCutter(options)
  options.signal?.throwIfAborted()
  for await (const piece of source) {
    yield* cutter.take(piece)
    options.signal?.throwIfAborted()
  }
  yield* cutter.finish()
}

/** Bytes to be cut: of the source, or a part of a chunk that is cut anew. */
interface Input {
  readonly piece: SharedPiece
  /** Bytes before it were taken. */
  start: number
}

/** A chunk that is being hashed. */
interface HashedAhead {
  /** One, which belongs to nobody else, for a cut of the chunker. */
  readonly parts: readonly PieceBytes[]
  readonly size: number
  /** What its digest must be for the cut to stand; null for a cut of the chunker. */
  readonly predicted: Digest | null
  /** Settles once, never rejects; then `result` is there. */
  readonly done: Promise<void>
  result: { readonly digest: Digest | null } | { readonly error: unknown } | null
}

class PredictingCutter {
  readonly #digestOf: PredictedChunksOptions['digestOf']
  readonly #chunker: DynamicChunker
  readonly #previous: PreviousCuts
  /** The chunk that the chunker is in, copied together. */
  readonly #scanned: ChunkAssembly
  #scannedInTurn = 0
  /** What the pending chunk is thought to be, and its parts so far; nothing is scanned then. */
  #prediction: PredictedChunk | null = null
  #parts: PieceBytes[] = []
  #partsSize = 0
  /** In order; all of them lie before the pending chunk. */
  #ahead: HashedAhead[] = []
  #input: Input[] = []

  constructor({ average, previous, digestOf }: PredictedChunksOptions) {
    this.#digestOf = digestOf
    this.#chunker = new DynamicChunker({ average })
    this.#previous = new PreviousCuts(previous, this.#chunker)
    this.#scanned = new ChunkAssembly({ average, sizeMax: this.#chunker.sizeMax })
  }

  /** Takes the next bytes of the archive, all of them. */
  async *take(piece: PieceBytes) {
    if (piece.bytes.length === 0) piece[Symbol.dispose]()
    else this.#input.push({ piece: new SharedPiece(piece), start: 0 })
    yield* this.#drain()
  }

  /** The archive has ended. */
  async *finish() {
    for (;;) {
      yield* this.#settled(0)
      // A chunk that comes too short for its prediction is the chunker's to cut.
      if (this.#partsSize > 0) await this.#cutAnew()
      if (this.#input.length === 0) break
      yield* this.#drain()
    }
    if (this.#scanned.size > 0) this.#endScanned()
    yield* this.#settled(0)
  }

  async *#drain() {
    for (;;) {
      yield* this.#settled(HASHES_AT_ONCE - 1)
      const [input] = this.#input
      if (input === undefined) return
      const { piece } = input
      input.start += this.#advance(piece, input.start)
      if (input.start === piece.bytes.length) {
        this.#input.shift()
        piece[Symbol.dispose]()
      }
      if (this.#scannedInTurn < SCAN_TURN_SIZE) continue
      this.#scannedInTurn = 0
      await nextTurn()
    }
  }

  /** Chunks at the front that are certain; waits until no more than `countMax` are not. */
  async *#settled(countMax: number) {
    for (;;) {
      const [first] = this.#ahead
      if (first === undefined) return
      if (first.result === null && this.#ahead.length <= countMax) return
      await first.done
      const { parts, size, predicted, result } = first
      if (result === null) return
      if ('error' in result) throw result.error
      const { digest } = result
      if (digest === null || (predicted !== null && digest !== predicted)) {
        await this.#cutAnew()
        return
      }
      this.#ahead.shift()
      this.#previous.follow(digest)
      const release = () => parts.forEach((part) => part[Symbol.dispose]())
      const [whole] = parts
      if (predicted === null && whole !== undefined) yield { bytes: whole.bytes, digest, release }
      else {
        release()
        yield { bytes: null, digest, size }
      }
    }
  }

  /** Takes bytes of `piece` from `start` up to the next cut, and says how many. */
  #advance(piece: SharedPiece, start: number): number {
    this.#prediction ??= this.#predict()
    const prediction = this.#prediction
    if (prediction === null) return this.#scan(piece.bytes.subarray(start, start + SCAN_TURN_SIZE))
    const end = Math.min(piece.bytes.length, start + prediction.size - this.#partsSize)
    this.#addPart(piece.part(start, end))
    if (this.#partsSize === prediction.size) this.#endPredicted(prediction.digest)
    return end - start
  }

  #scan(bytes: Uint8Array): number {
    const cut = this.#chunker.scan(bytes)
    const count = cut === 0 ? bytes.length : cut
    this.#scannedInTurn += count
    this.#scanned.append(bytes.subarray(0, count))
    if (cut !== 0) this.#endScanned()
    return count
  }

  /** What the pending chunk is, if all before it is as the previous index says; also in the middle of a scan. */
  #predict(): PredictedChunk | null {
    if (this.#ahead.some(({ predicted }) => predicted === null)) return null
    const prediction = this.#previous.predict(this.#ahead.length)
    if (prediction === null || prediction.size <= this.#scanned.size) return null
    this.#chunker.reset()
    if (this.#scanned.size > 0) this.#addPart(this.#scanned.take())
    return prediction
  }

  #addPart(part: PieceBytes): void {
    this.#parts.push(part)
    this.#partsSize += part.bytes.length
  }

  #endScanned(): void {
    const whole = this.#scanned.take()
    this.#hash({ parts: [whole], size: whole.bytes.length, predicted: null })
  }

  #endPredicted(predicted: Digest): void {
    const chunk = { parts: this.#parts, size: this.#partsSize, predicted }
    this.#prediction = null
    this.#parts = []
    this.#partsSize = 0
    this.#hash(chunk)
  }

  #hash(chunk: Pick<HashedAhead, 'parts' | 'size' | 'predicted'>): void {
    const parts = chunk.parts.map(({ bytes }) => bytes)
    const isPossible =
      chunk.predicted === null || this.#chunker.canEnd(chunk.size, tailOf(parts, CUT_TAIL_SIZE))
    const digest = isPossible ? this.#digestOf(parts) : Promise.resolve(null)
    const done = digest.then(
      (value) => void (one.result = { digest: value }),
      (error: unknown) => void (one.result = { error }),
    )
    const one: HashedAhead = { ...chunk, done, result: null }
    this.#ahead.push(one)
  }

  /** Gives everything that is not certain back to the chunker. */
  async #cutAnew(): Promise<void> {
    for (const { done } of this.#ahead) await done
    const parts = [...this.#ahead.flatMap((chunk) => chunk.parts), ...this.#parts]
    if (this.#scanned.size > 0) parts.push(this.#scanned.take())
    this.#input.unshift(...parts.map((part) => ({ piece: new SharedPiece(part), start: 0 })))
    this.#ahead = []
    this.#prediction = null
    this.#parts = []
    this.#partsSize = 0
    this.#chunker.reset()
    this.#previous.lose()
  }
}

/** The last `size` bytes of `parts`, or all of them if they are fewer. */
function tailOf(parts: readonly Uint8Array[], size: number): Uint8Array {
  const tail: Uint8Array[] = []
  let missing = size
  for (const part of parts.toReversed()) {
    if (missing === 0) break
    const last = part.subarray(-missing)
    tail.unshift(last)
    missing -= last.length
  }
  return Buffer.concat(tail)
}
