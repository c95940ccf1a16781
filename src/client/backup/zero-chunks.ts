/** Sparse images are mostly zeros: a comparison is ten times cheaper than a digest. */
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

/** Digests of zeros, computed once for each length. */
export class ZeroDigests {
  readonly #compute: (bytes: Uint8Array) => Promise<Digest>
  readonly #bySize = new Map<number, Promise<Digest>>()

  constructor(compute: (bytes: Uint8Array) => Promise<Digest>) {
    this.#compute = compute
  }

  /** The digest of `zeros`, which are all zero. */
  async digestOf(zeros: Uint8Array): Promise<Digest> {
    const known = this.#bySize.get(zeros.length)
    if (known !== undefined) return await known
    const computed = this.#compute(zeros)
    this.#bySize.set(zeros.length, computed)
    return await computed
  }
}
