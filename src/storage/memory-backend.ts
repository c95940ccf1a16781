/** A real backend in a map, for tests and simulations: same rules, same errors, no disk. */
import { type Digest, digestFromBytes, DIGEST_SIZE } from '../formats/digest.ts'
import type { ChunkBackend, ChunkLook, PutResult } from './chunk-backend.ts'
import { isWholeChunk } from './chunk-check.ts'
import { errors } from './errors.ts'
import { planInsert } from './insert-rule.ts'

export class MemoryBackend implements ChunkBackend {
  readonly provisional = null
  readonly #chunks = new Map<string, Uint8Array>()
  readonly #store: string

  constructor(store: string) {
    this.#store = store
  }

  pathOf(digest: Digest): string {
    return `memory:${digest}`
  }

  async read(digest: Digest): Promise<Uint8Array<ArrayBuffer>> {
    const blob = this.#chunks.get(digest)
    if (blob === undefined || blob.length === 0) {
      throw errors.CHUNK_MISSING({ digest, path: this.pathOf(digest) })
    }
    return new Uint8Array(blob)
  }

  async stat(digest: Digest): Promise<{ readonly size: number } | null> {
    const size = this.#chunks.get(digest)?.length ?? 0
    return size === 0 ? null : { size }
  }

  async put(digest: Digest, blob: Uint8Array): Promise<PutResult> {
    const existing = this.#chunks.get(digest)
    if (existing !== undefined && (await this.#keeps(digest, existing, blob))) {
      return { duplicate: true, storedSize: existing.length }
    }
    this.#chunks.set(digest, new Uint8Array(blob))
    return { duplicate: false, storedSize: blob.length }
  }

  async markBad(digest: Digest): Promise<string | null> {
    const blob = this.#chunks.get(digest)
    if (blob === undefined) return null
    this.#chunks.delete(digest)
    let number = 0
    while (number < 9 && this.#chunks.has(`${digest}.${number}.bad`)) number += 1
    const name = `${digest}.${number}.bad`
    this.#chunks.set(name, blob)
    return `memory:${name}`
  }

  async lookMany(digests: Uint8Array): Promise<ChunkLook> {
    const missing = new Set<Digest>()
    for (let offset = 0; offset < digests.length; offset += DIGEST_SIZE) {
      const digest = digestFromBytes(digests, offset)
      if ((await this.stat(digest)) === null) missing.add(digest)
    }
    return { missing: [...missing], failure: null }
  }

  async #keeps(digest: Digest, existing: Uint8Array, blob: Uint8Array): Promise<boolean> {
    if (existing.length === 0) return false
    if (existing.length === blob.length) return true
    if (!(await isWholeChunk(digest, existing))) return false
    return planInsert(blob, existing, { digest, store: this.#store }) === 'keep'
  }
}
