/**
 * The payload stream of a split archive as chunks, with chunks of the previous snapshot spliced in
 * (chunker.md section 9). Spliced chunks count in the offsets, although none of their bytes flow.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { errors } from './errors.ts'
import { PayloadChunker, type SuggestionSource } from './payload-chunker.ts'
import { PieceBuffer } from './piece-buffer.ts'

/** A run of reused chunks: starts at `boundary` of the new stream and is `size` bytes long. */
export interface Injection {
  readonly boundary: number
  readonly size: number
}

export type PayloadItem<Record extends Injection> =
  | { readonly kind: 'chunk'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'reused'; readonly record: Record }

export interface ChunkPayloadOptions<Record extends Injection> {
  readonly average: number
  /** Suggested boundaries; announced ahead of the bytes they are in. */
  readonly suggestions: SuggestionSource
  /** Records in order of their boundaries, announced ahead of the bytes behind them. */
  readonly injections: () => Record | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Chunks of `source` and records of reused chunks in the order of the new stream. Pieces belong to
 * this function, chunks to the receiver; the cuts depend on the pieces. Throws
 * INJECTION_BOUNDARY_INVALID for a boundary already behind, INJECTIONS_LEFT for one never reached.
 */
export async function* chunkPayload<Record extends Injection>(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ChunkPayloadOptions<Record>,
): AsyncGenerator<PayloadItem<Record>, void, undefined> {
  const splitter = new PayloadSplitter(options)
  for await (const piece of source) {
    options.signal?.throwIfAborted()
    splitter.append(piece)
    yield* splitter.drain()
    await nextTurn()
  }
  options.signal?.throwIfAborted()
  yield* splitter.finish()
}

class PayloadSplitter<Record extends Injection> {
  readonly #chunker: PayloadChunker
  readonly #nextRecord: () => Record | undefined
  readonly #pending = new PieceBuffer()
  /** The end of the pending bytes that was not scanned. */
  #unscanned: Uint8Array = new Uint8Array(0)
  /** Offset in the stream, injections counted, at which the current chunk starts. */
  #consumed = 0
  #record: Record | undefined

  constructor(options: ChunkPayloadOptions<Record>) {
    this.#chunker = new PayloadChunker(options)
    this.#nextRecord = options.injections
  }

  append(piece: Uint8Array): void {
    this.#pending.append(piece)
    this.#unscanned = piece
  }

  /** What can be said with the bytes at hand. */
  *drain(): Generator<PayloadItem<Record>, void, undefined> {
    while (this.#unscanned.length > 0) {
      const position = { base: this.#consumed, total: this.#pending.size }
      const scanned = this.#pending.size - this.#unscanned.length
      const cut = this.#chunker.scan(this.#unscanned, position)
      const size = cut === 0 ? this.#pending.size : scanned + cut
      const record = this.#recordUpTo(this.#consumed + size)
      if (record !== undefined) {
        yield* this.#splice(record)
      } else if (cut === 0) {
        return
      } else {
        yield this.#emit(size)
        this.#unscanned = this.#unscanned.subarray(cut)
      }
    }
  }

  /** What is left at the end of the stream. */
  *finish(): Generator<PayloadItem<Record>, void, undefined> {
    for (;;) {
      const record = this.#recordUpTo(this.#consumed + this.#pending.size)
      if (record === undefined) break
      yield* this.#splice(record)
      yield* this.drain()
    }
    if (this.#pending.size > 0) yield this.#emit(this.#pending.size)
    if (this.#record === undefined) return
    throw errors.INJECTIONS_LEFT({ boundary: this.#record.boundary, position: this.#consumed })
  }

  /** The next record, if it starts at or before `end`; it stays the next one otherwise. */
  #recordUpTo(end: number): Record | undefined {
    this.#record ??= this.#nextRecord()
    const record = this.#record
    if (record === undefined || record.boundary > end) return undefined
    if (record.boundary < this.#consumed) {
      const { boundary } = record
      throw errors.INJECTION_BOUNDARY_INVALID({ boundary, position: this.#consumed })
    }
    this.#record = undefined
    return record
  }

  *#splice(record: Record): Generator<PayloadItem<Record>, void, undefined> {
    const size = record.boundary - this.#consumed
    if (size > 0) yield this.#emit(size)
    this.#chunker.reset()
    this.#consumed = record.boundary + record.size
    yield { kind: 'reused', record }
    // What lies behind the boundary starts a chunk of its own and is looked at afresh.
    this.#unscanned = this.#pending.joined()
  }

  #emit(size: number): PayloadItem<Record> {
    this.#consumed += size
    return { kind: 'chunk', bytes: this.#pending.take(size) }
  }
}
