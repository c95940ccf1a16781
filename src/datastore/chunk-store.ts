/** The chunks of a datastore as its operations see them: one rule for who may store, look and take away. */
import type { ProcessLock } from '../base/fs/record-lock.ts'
import type { Allocate } from '../base/buffer-pool.ts'
import { forEachConcurrent } from '../base/async/map-concurrent.ts'
import type { Digest } from '../formats/digest.ts'
import type {
  ChunkBackend,
  ChunkLook,
  PutOptions,
  PutResult,
  ReadOptions,
} from '../storage/chunk-backend.ts'
import { osErrorText } from '../storage/os-error-text.ts'
import type { BucketHolder } from './bucket/holder.ts'
import { errors } from './errors.ts'
import type { MissingChunks } from './missing-chunks.ts'
import type { Gate } from './uploads/gate.ts'
import type { DigestOrigin, LiveSessions, SessionDigests } from './uploads/session-digests.ts'

/** Chunks looked at again at a session's end; few. */
const SETTLED_AT_ONCE = 8
const MS_PER_SECOND = 1000

export class ChunkStore {
  readonly #backend: ChunkBackend
  readonly #gate: Gate
  readonly #sessions: LiveSessions
  readonly #processLock: ProcessLock | null
  readonly #missing: MissingChunks | null
  readonly #holder: BucketHolder | null

  /** Without `processLock` there is nobody else whose sessions could mind. */
  constructor(
    backend: ChunkBackend,
    options: {
      readonly gate: Gate
      readonly sessions: LiveSessions
      readonly processLock?: ProcessLock
      readonly missing?: MissingChunks
      readonly bucket?: { readonly holder: BucketHolder } | null
    },
  ) {
    this.#backend = backend
    this.#gate = options.gate
    this.#sessions = options.sessions
    this.#processLock = options.processLock ?? null
    this.#missing = options.missing ?? null
    this.#holder = options.bucket?.holder ?? null
  }

  /**
   * Stores a chunk for a session and registers its digest there, in one holding of the gate: a collection that comes
   * between would not know of it (races.md 9.4 rule 2). `size` is the plain size. If it throws, nothing is registered.
   */
  async insert(
    digest: Digest,
    chunk: { readonly blob: Uint8Array; readonly size: number },
    digests: SessionDigests,
    options: PutOptions = {},
  ): Promise<PutResult> {
    using _gate = await this.#gate.acquire(digest, options.signal)
    const result = await this.#backend.put(digest, chunk.blob, options)
    const origin: DigestOrigin = result.duplicate ? 'duplicate' : 'written'
    digests.register(digest, { size: chunk.size, origin })
    return result
  }

  /** The stored blob, owned by the caller; `allocate` may give the memory. Throws CHUNK_FILE_UNREADABLE with stock's text. */
  async read(
    digest: Digest,
    allocate?: Allocate,
    options: ReadOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    try {
      return await this.#backend.read(digest, allocate, options)
    } catch (error) {
      const path = this.#backend.pathOf(digest)
      throw errors.CHUNK_FILE_UNREADABLE({ path, reason: reasonOf(error) }, { cause: error })
    }
  }

  /**
   * To be awaited by a session's finish before its manifest is published: chunks that a delete of former times may still
   * take away are waited for, up to REQUEST_LIFE_MS, and put again if they went (races.md R-60). Throws
   * KNOWN_CHUNK_MISSING, the errors of the bucket, the reason of `signal`.
   */
  async settle(
    digests: SessionDigests,
    options: { readonly log: (line: string) => void; readonly signal?: AbortSignal | undefined },
  ): Promise<void> {
    const { provisional } = this.#backend
    if (provisional === null) return
    const { log, signal } = options
    await provisional.untilCertain(options)
    const pending = await provisional.pending((digest) => digests.has(digest))
    if (pending.length === 0) return
    const waitMs = await provisional.waitMs(pending)
    const seconds = Math.ceil(waitMs / MS_PER_SECOND)
    log(`waiting ${seconds} s: ${pending.length} chunks may still be deleted by former requests`)
    await forEachConcurrent(pending, { concurrency: SETTLED_AT_ONCE, signal }, async (digest) => {
      if (await provisional.settle(digest, signal)) return
      const text = `chunk ${digest} was deleted by a former request`
      throw errors.KNOWN_CHUNK_MISSING({ text, digest })
    })
  }

  /** To be called when a session has left the live ones: what only it relied on is not kept any more. */
  release(): void {
    this.#backend.provisional?.release((digest) =>
      [...this.#sessions].some((session) => session.digests.has(digest)),
    )
  }

  /** By a definite answer: it asks the store, not a ledger. */
  async stat(digest: Digest): Promise<{ readonly size: number } | null> {
    return await this.#backend.stat(digest)
  }

  pathOf(digest: Digest): string {
    return this.#backend.pathOf(digest)
  }

  /** See `ChunkBackend.lookMany`. */
  async lookMany(
    digests: Uint8Array,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<ChunkLook> {
    return await this.#backend.lookMany(digests, options)
  }

  /**
   * Takes a chunk away that `isBad` (asked again under the gate: an upload may have healed it) and fails every session
   * that relies on it (races.md ). Its new place, or null if it stays or is gone. While another process has
   * sessions, which cannot be told, it throws PROCESS_LOCK_BUSY and the chunk stays.
   */
  async markBad(digest: Digest, isBad: () => Promise<boolean>): Promise<string | null> {
    using _gate = await this.#gate.acquire(digest)
    if (!(await isBad())) return null
    // Also beside a collection of this process: that may end, and others begin, before the chunk is renamed.
    using _process = this.#processLock?.excludeOthers() ?? nothing
    const text = `chunk ${digest} was found corrupt and renamed while the session relied on it`
    using _condemned = this.#sessions.condemn(digest, errors.SESSION_FAILED({ text }))
    // First, so that a crash in between leaves a note too many: whoever asks looks whether it is true.
    await this.#missing?.add(digest)
    await using _deletes = (await this.#holder?.beginDeletes()) ?? null
    return await this.#backend.markBad(digest)
  }

  /** Remembers a chunk that an index names and that is not there, unless it came meanwhile (races.md R-32). */
  async noteMissing(digest: Digest): Promise<void> {
    using _gate = await this.#gate.acquire(digest)
    if ((await this.#backend.stat(digest)) === null) await this.#missing?.add(digest)
  }
}

/** What holds nothing. */
const nothing: Disposable = { [Symbol.dispose]() {} }

const MISSING_TEXT = 'No such file or directory (os error 2)'

function reasonOf(error: unknown): string {
  const isMissing = error instanceof Error && 'code' in error && error.code === 'CHUNK_MISSING'
  return isMissing ? MISSING_TEXT : osErrorText(error)
}
