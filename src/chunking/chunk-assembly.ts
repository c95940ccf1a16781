/** The chunk that is being cut: its bytes are copied together in memory that is used again. */
import { BufferPool, type PooledBuffer } from '../base/buffer-pool.ts'

/** Buffers kept for later: about as many as a client hashes, compresses and sends at a time. */
const KEPT_COUNT_MAX = 12

export class ChunkAssembly {
  readonly #usualSize: number
  readonly #sizeMax: number
  readonly #pool: BufferPool
  #buffer: PooledBuffer | null = null
  #size = 0

  /** `average` as the chunker's: most chunks are at most twice as long, none more than four times. */
  constructor(options: { readonly average: number; readonly sizeMax: number }) {
    const size = 2 * options.average
    this.#usualSize = size
    this.#sizeMax = options.sizeMax
    this.#pool = new BufferPool({ size, sizeMin: size, countMax: KEPT_COUNT_MAX })
  }

  get size(): number {
    return this.#size
  }

  /** Copies `bytes` behind what is there. */
  append(bytes: Uint8Array): void {
    const size = this.#size + bytes.length
    this.#buffer ??= this.#pool.take(this.#usualSize)
    if (size > this.#buffer.bytes.length) this.#grow(this.#buffer)
    this.#buffer.bytes.set(bytes, this.#size)
    this.#size = size
  }

  /** The chunk; the next one begins. */
  take(): PooledBuffer {
    const buffer = this.#buffer ?? this.#pool.take(0)
    const bytes = buffer.bytes.subarray(0, this.#size)
    this.#buffer = null
    this.#size = 0
    return { bytes, [Symbol.dispose]: () => buffer[Symbol.dispose]() }
  }

  /** Long chunks are few: they get memory that is not kept. */
  #grow(buffer: PooledBuffer): void {
    const larger = this.#pool.take(this.#sizeMax)
    larger.bytes.set(buffer.bytes.subarray(0, this.#size))
    buffer[Symbol.dispose]()
    this.#buffer = larger
  }
}
