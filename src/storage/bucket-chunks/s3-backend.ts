/** Chunks as objects of a bucket, under stock's keys (formats.md 10.1, datastore-semantics.md 19.5, races.md 9.6). */
import type { Allocate } from '../../base/buffer-pool.ts'
import type { Log } from '../../base/log.ts'
import type { Clock } from '../../base/time/clock.ts'
import type { Digest } from '../../formats/digest.ts'
import type {
  ChunkBackend,
  ChunkLook,
  ProvisionalChunks,
  PutOptions,
  PutResult,
  ReadOptions,
} from '../chunk-backend.ts'
import type { Ledger } from '../ledger.ts'
import type { ObjectStore } from '../object-store.ts'
import type { ChunkCache } from './chunk-cache.ts'
import { chunkKey } from './chunk-keys.ts'

/** The gate of the datastore: one holder per digest (races.md 9.6). */
export interface ChunkGate {
  acquire(digest: Digest, signal?: AbortSignal): Promise<Disposable>
  isHeld(digest: Digest): boolean
  /** Digests held now. */
  readonly size: number
}

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
  readonly clock: Clock
  readonly log: Log
}

export class S3Backend implements ChunkBackend {
  readonly provisional: ProvisionalChunks | null = null
  readonly #options: S3BackendOptions

  constructor(options: S3BackendOptions) {
    this.#options = options
  }

  /** The chunk's key in the bucket. */
  pathOf(digest: Digest): string {
    return chunkKey(this.#options.prefix, digest)
  }

  async read(
    digest: Digest,
    _allocate?: Allocate,
    _options: ReadOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    throw new Error(`not yet: ${digest}`)
  }

  async stat(digest: Digest): Promise<{ readonly size: number } | null> {
    throw new Error(`not yet: ${digest}`)
  }

  async put(digest: Digest, _blob: Uint8Array, _options: PutOptions = {}): Promise<PutResult> {
    throw new Error(`not yet: ${digest}`)
  }

  async markBad(digest: Digest): Promise<string | null> {
    throw new Error(`not yet: ${digest}`)
  }

  async lookMany(
    digests: Uint8Array,
    _options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<ChunkLook> {
    throw new Error(`not yet: ${digests.length}`)
  }
}
