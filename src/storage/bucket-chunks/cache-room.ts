/** How many bytes a cache may have: the configured bound, and what its disk can spare. */
import type { FileSystem } from '../../base/fs/file-system.ts'

/** The disk is asked again after so many bytes came or went. */
const BYTES_PER_LOOK = 64 << 20
/** Left free for indexes, manifests and the ledger: a gigabyte, of a small disk a twentieth. */
const SPARE_BYTES_MAX = 1024 ** 3
const SPARE_SHARE = 20

export class CacheRoom {
  readonly #fs: FileSystem
  readonly #folder: string
  #bytesMax: number
  /** Bytes that may still be written to the disk; null: not known. */
  #free: number | null = null
  #changed = 0

  constructor(
    fs: FileSystem,
    options: { readonly folder: string; readonly bytesMax: number | null },
  ) {
    this.#fs = fs
    this.#folder = options.folder
    this.#bytesMax = options.bytesMax ?? Number.POSITIVE_INFINITY
  }

  resize(bytesMax: number | null): void {
    this.#bytesMax = bytesMax ?? Number.POSITIVE_INFINITY
  }

  /** Whether a copy of `size` bytes can ever be kept. */
  mayHold(size: number): boolean {
    return size > 0 && size <= this.#bytesMax
  }

  /** Asks the disk, if it was not asked of late. Throws system errors. */
  async look(): Promise<void> {
    if (this.#free !== null && this.#changed < BYTES_PER_LOOK) return
    const { available, total } = await this.#fs.usage(this.#folder)
    this.#free = available - Math.min(SPARE_BYTES_MAX, total / SPARE_SHARE)
    this.#changed = 0
  }

  /** Whether `size` bytes fit beside the `used` ones; a temporary of that size is on the disk already. */
  fits(used: number, size: number): boolean {
    return used + size <= this.#bytesMax && (this.#free ?? 0) >= 0
  }

  /** So many bytes became free (or, below zero, were taken). */
  change(bytes: number): void {
    if (this.#free !== null) this.#free += bytes
    this.#changed += Math.abs(bytes)
  }

  /** The disk is asked again before the next copy. */
  forget(): void {
    this.#free = null
  }
}
