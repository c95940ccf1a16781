/** The chunks of a datastore as its operations see them: one rule for who may store, look and take away. */
import type { ProcessLock } from '../base/fs/record-lock.ts'
import type { Allocate } from '../base/buffer-pool.ts'
import type { Digest } from '../formats/digest.ts'
import type { ChunkBackend, ChunkLook, PutResult } from '../storage/chunk-backend.ts'
import { osErrorText } from '../storage/os-error-text.ts'
import { errors } from './errors.ts'
import type { MissingChunks } from './missing-chunks.ts'
import type { Gate } from './uploads/gate.ts'
import type { DigestOrigin, LiveSessions, SessionDigests } from './uploads/session-digests.ts'

export class ChunkStore {
  readonly #backend: ChunkBackend
  readonly #gate: Gate
  readonly #sessions: LiveSessions
  readonly #processLock: ProcessLock | null
  readonly #missing: MissingChunks | null

  /** Without `processLock` there is nobody else whose sessions could mind. */
  constructor(
    backend: ChunkBackend,
    options: {
      readonly gate: Gate
      readonly sessions: LiveSessions
      readonly processLock?: ProcessLock
      readonly missing?: MissingChunks
    },
  ) {
    this.#backend = backend
    this.#gate = options.gate
    this.#sessions = options.sessions
    this.#processLock = options.processLock ?? null
    this.#missing = options.missing ?? null
  }

  /**
   * Stores a chunk for a session and registers its digest there, in one holding of the gate: a collection that comes
   * between would not know of it (races.md 9.4 rule 2). `size` is the plain size. If it throws, nothing is registered.
   */
  async insert(
    digest: Digest,
    chunk: { readonly blob: Uint8Array; readonly size: number },
    digests: SessionDigests,
  ): Promise<PutResult> {
    using _gate = await this.#gate.acquire(digest)
    const result = await this.#backend.put(digest, chunk.blob)
    const origin: DigestOrigin = result.duplicate ? 'duplicate' : 'written'
    digests.register(digest, { size: chunk.size, origin })
    return result
  }

  /** The stored blob, owned by the caller; `allocate` may give the memory. Throws CHUNK_FILE_UNREADABLE with stock's text. */
  async read(digest: Digest, allocate?: Allocate): Promise<Uint8Array<ArrayBuffer>> {
    try {
      return await this.#backend.read(digest, allocate)
    } catch (error) {
      const path = this.#backend.pathOf(digest)
      throw errors.CHUNK_FILE_UNREADABLE({ path, reason: reasonOf(error) }, { cause: error })
    }
  }

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
