/**
 * Chunks as objects of a bucket, under stock's keys (formats.md 10.1, datastore-semantics.md 19.5, races.md 9.6).
 *
 * Order of an upload, all of it under the gate of the digest: ledger, conditional PUT, ledger entry, local copy. An
 * entry is made of definite answers only, and of none that came while a delete of the key may still be executed
 * (suspect-chunks.ts). A session registers the digest before the gate opens; the ledger needs nothing of that.
 */
import type { Allocate } from '../../base/buffer-pool.ts'
import type { Log } from '../../base/log.ts'
import type { Clock } from '../../base/time/clock.ts'
import { checkBlobCrcInPool } from '../../formats/data-blob.ts'
import { type Digest, digestToBytes } from '../../formats/digest.ts'
import type {
  ChunkBackend,
  ChunkLook,
  PutOptions,
  PutResult,
  ReadOptions,
} from '../chunk-backend.ts'
import { isCorrupt } from '../chunk-check.ts'
import { deleteCondemned } from '../condemned-delete.ts'
import { errors } from '../errors.ts'
import type { Ledger } from '../ledger.ts'
import type { GetOptions, ObjectStore } from '../object-store.ts'
import type { ChunkCache } from './chunk-cache.ts'
import type { ChunkGate } from './chunk-gate.ts'
import { chunkKey } from './chunk-keys.ts'
import { lookInBucket } from './look-in-bucket.ts'
import { PinnedBytes } from './pinned-bytes.ts'
import { SuspectChunks } from './suspect-chunks.ts'

export interface S3BackendOptions {
  readonly objects: ObjectStore
  readonly ledger: Ledger
  /** Null: no copies are kept here. */
  readonly cache: ChunkCache | null
  readonly gate: ChunkGate
  /** The datastore's name in the bucket. */
  readonly prefix: string
  readonly verdict: { readonly honoursIfNoneMatch: boolean }
  /** Whether entries of the ledger count for nothing (races.md R-59); asked each time. */
  readonly isStale: () => boolean
  /** Awaited when a doubt of everything is over: until the ledger was made anew. Default: it is not. */
  readonly afterDoubt?: (signal?: AbortSignal) => Promise<void>
  readonly clock: Clock
  readonly log: Log
}

/** `.0.bad` to `.9.bad`: the last one is overwritten when all are there, as on disk. */
const BAD_NUMBER_MAX = 9
/** GETs of one chunk whose content is wrong: the second tells a bad way from a bad chunk. */
const READS_MAX = 2

export class S3Backend implements ChunkBackend, AsyncDisposable {
  readonly provisional: SuspectChunks
  readonly #options: S3BackendOptions
  readonly #pins: PinnedBytes

  constructor(options: S3BackendOptions) {
    const { ledger, gate, clock, cache, objects, afterDoubt = async () => {} } = options
    this.#options = options
    this.#pins = new PinnedBytes(cache === null ? null : () => cache.openNameless())
    this.provisional = new SuspectChunks({
      ledger,
      gate,
      clock,
      place: objects.place,
      afterDoubt,
      pins: this.#pins,
      keyOf: (digest) => this.pathOf(digest),
      head: async (digest, signal) => await this.#head(digest, signal),
      upload: async (digest, blob) => await this.#upload(digest, blob),
    })
  }

  /** The chunk's key in the bucket. */
  pathOf(digest: Digest): string {
    return chunkKey(this.#options.prefix, digest)
  }

  async read(
    digest: Digest,
    allocate?: Allocate,
    { from = 'anywhere' }: ReadOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    if (from === 'origin') return await this.#get(digest)
    const { cache } = this.#options
    const copy = await this.#readCopy(digest, allocate)
    if (copy !== null) return copy
    const blob = await this.#getWhole(digest, allocate)
    cache?.fill(digest, blob)
    return blob
  }

  async stat(digest: Digest): Promise<{ readonly size: number } | null> {
    const size = await this.#head(digest)
    return size === null ? null : { size }
  }

  /**
   * Under the gate. Throws the errors of ObjectStore, CHUNK_NOT_PINNED, the signal's reason; then nothing may rely on the
   * chunk.
   */
  async put(
    digest: Digest,
    blob: Uint8Array,
    { isCached = true, ...waiting }: PutOptions = {},
  ): Promise<PutResult> {
    const known = this.#known(digest)
    if (known !== null) return { duplicate: true, storedSize: known.size ?? blob.length }
    const isSuspect = await this.provisional.isSuspect(digest)
    if (isSuspect) await this.provisional.note(digest, blob, waiting)
    const { cache } = this.#options
    // Written beside the upload, but it gets its name only when the object is there (races.md R-36).
    await using copy = isCached && !isSuspect ? cache?.stage(digest, blob) : null
    const written = await this.#upload(digest, blob)
    if (!isSuspect) this.#remember(digest, written)
    // Of what was there already nobody checked that it is the same: only our own bytes may become a copy.
    if (written !== null) await copy?.publish()
    return { duplicate: written === null, storedSize: written ?? blob.length }
  }

  /**
   * Under the gate. The order is copy, condemned in the ledger, delete: a crash in between leaves one object too many.
   * Throws the errors of ObjectStore, CHUNK_NOT_REMOVED.
   */
  async markBad(digest: Digest): Promise<string | null> {
    const { objects, ledger, cache, clock } = this.#options
    const key = this.pathOf(digest)
    await cache?.remove(digest)
    const place = await this.#freeBadKey(key)
    if (!(await objects.copy(key, place)).isFound) return null
    const { deleted, failed } = await deleteCondemned({ objects, ledger, clock }, [key])
    if (!deleted.includes(key)) {
      throw errors.CHUNK_NOT_REMOVED({ key, reason: failed[0]?.reason ?? 'no answer' })
    }
    return place
  }

  async lookMany(
    digests: Uint8Array,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<ChunkLook> {
    const { gate, ledger, isStale } = this.#options
    // Each would be asked for now, and once more at the end of the doubt.
    await this.provisional.untilCertain({ signal: options.signal })
    return await lookInBucket(digests, {
      gate,
      signal: options.signal,
      isKnownAt: (bytes, offset) => !isStale() && ledger.knowsAt(bytes, offset) !== null,
      ask: async (digest, signal) => await this.#ask(digest, signal),
    })
  }

  /** Bytes kept for sessions go; there must be none. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pins[Symbol.asyncDispose]()
  }

  #known(digest: Digest): { readonly size: number | null } | null {
    const { ledger, isStale } = this.#options
    return isStale() ? null : ledger.knowsAt(digestToBytes(digest), 0)
  }

  /** Under the gate, after a definite answer. */
  #remember(digest: Digest, size: number | null): void {
    const { ledger, isStale } = this.#options
    // A doubt of everything may have begun since it was asked for.
    if (!isStale() && ledger.allDoubtedMs === null) ledger.add(digest, size)
  }

  /** Whether the chunk is there; under its gate. What may still be deleted counts for now: see `settle`. */
  async #ask(digest: Digest, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#known(digest) !== null) return true
    const isSuspect = await this.provisional.isSuspect(digest)
    const size = await this.#head(digest, signal)
    // Of one that another session sent the bytes are here until that has settled it, and this one does so, too.
    if (size === null) return this.provisional.hasBytes(digest)
    if (isSuspect) await this.provisional.note(digest, null)
    else this.#remember(digest, size)
    return true
  }

  /** Puts it unless there is one; its size, null if there was. A store without conditions is asked first (races.md R-70). */
  async #upload(digest: Digest, blob: Uint8Array): Promise<number | null> {
    const { objects, verdict } = this.#options
    const { honoursIfNoneMatch } = verdict
    if (!honoursIfNoneMatch && (await this.#head(digest)) !== null) return null
    const condition = { kind: honoursIfNoneMatch ? 'absent' : 'always' } as const
    const { outcome } = await objects.put(this.pathOf(digest), blob, { condition })
    return outcome === 'written' ? blob.length : null
  }

  /** Size by a definite answer; null if there is none, which the ledger hears of. */
  async #head(digest: Digest, signal?: AbortSignal): Promise<number | null> {
    const { objects, ledger } = this.#options
    const info = await objects.head(this.pathOf(digest), { signal })
    if (info !== null && info.size > 0) return info.size
    ledger.drop(digest)
    return null
  }

  async #readCopy(digest: Digest, allocate: Allocate | undefined) {
    const { cache } = this.#options
    if (cache === null) return null
    return await cache.read(digest, { size: this.#known(digest)?.size ?? null, allocate })
  }

  /** Throws CHUNK_CONTENT_WRONG if it has a wrong CRC twice. */
  async #getWhole(digest: Digest, allocate?: Allocate): Promise<Uint8Array<ArrayBuffer>> {
    for (let round = 1; ; round += 1) {
      // The blob has a sum of its own, and who decodes it its digest; a second look asks the store's, too.
      const blob = await this.#get(digest, { allocate, isChecked: round === 1 })
      try {
        await checkBlobCrcInPool(blob)
        return blob
      } catch (error) {
        if (!isCorrupt(error)) throw error
        const path = this.pathOf(digest)
        if (round < READS_MAX) continue
        throw errors.CHUNK_CONTENT_WRONG({ path, reason: error.message }, { cause: error })
      }
    }
  }

  async #get(digest: Digest, options: GetOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const { objects, ledger } = this.#options
    const path = this.pathOf(digest)
    const found = await objects.get(path, options)
    if (found !== null && found.body.length > 0) return found.body
    ledger.drop(digest)
    throw errors.CHUNK_MISSING({ digest, path })
  }

  async #freeBadKey(key: string): Promise<string> {
    for (let number = 0; ; number += 1) {
      const place = `${key}.${number}.bad`
      if (number === BAD_NUMBER_MAX) return place
      if ((await this.#options.objects.head(place)) === null) return place
    }
  }
}
