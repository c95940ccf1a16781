/** Sparse images are mostly zeros: a comparison is ten times cheaper than a digest. */
import type { CryptConfig } from '../../crypto/crypt-config.ts'
import { chunkDigest } from '../../formats/chunk.ts'
import type { Digest } from '../../formats/digest.ts'

const ZEROS = Buffer.alloc(64 * 1024)

/** Whether every byte of `bytes` is zero; one look at the first bytes settles it for other data. */
export function isAllZero(bytes: Uint8Array): boolean {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let offset = 0; offset < view.length; offset += ZEROS.length) {
    const end = Math.min(offset + ZEROS.length, view.length)
    if (view.compare(ZEROS, 0, end - offset, offset, end) !== 0) return false
  }
  return true
}

/** Digests of chunks; those of zeros are computed once for each length. */
export class ChunkDigests {
  readonly #crypt: CryptConfig | null
  readonly #ofZeros = new Map<number, Promise<Digest>>()

  /** `crypt` where chunks are encrypted. */
  constructor(crypt: CryptConfig | null) {
    this.#crypt = crypt
  }

  /** The digest of the bytes of `parts` together, which must not change meanwhile. */
  async digestOf(
    parts: readonly Uint8Array[],
    isZero: boolean = parts.every(isAllZero),
  ): Promise<Digest> {
    if (!isZero) return await chunkDigest(parts, this.#crypt)
    const size = parts.reduce((sum, part) => sum + part.length, 0)
    const known = this.#ofZeros.get(size)
    if (known !== undefined) return await known
    const computed = chunkDigest(parts, this.#crypt)
    this.#ofZeros.set(size, computed)
    return await computed
  }
}
