/**
 * The two looks at chunks that a session relies on without having written them (races.md ): when an index
 * of the base is registered, and before finish. A missing chunk fails the session and flags the base, so that the next
 * backup gets no base, sends everything and heals; an I/O error says nothing about the chunk and flags nothing.
 */
import { toError } from '../../base/errors.ts'
import type { Clock } from '../../base/time/clock.ts'
import type { ArchiveIndex } from '../../formats/archive-index.ts'
import { type Digest, DIGEST_SIZE } from '../../formats/digest.ts'
import type { ChunkLook } from '../../storage/chunk-backend.ts'
import type { ChunkStore } from '../chunk-store.ts'
import { errors } from '../errors.ts'
import type { KnownChunkCheck } from '../settings.ts'
import type { SessionDigests } from '../uploads/session-digests.ts'
import { breathe, STEPS_PER_BREATH } from './breathe.ts'

export interface KnownChunksOptions {
  readonly chunks: ChunkStore
  readonly clock: Clock
  readonly digests: SessionDigests
  readonly check: KnownChunkCheck
  /** How long a registration waits for its look. */
  readonly waitMs: number
  /** Says in the base's manifest that it is damaged; must not throw. */
  flagBase(): Promise<void>
}

export class KnownChunks {
  readonly #options: KnownChunksOptions
  readonly #abort = new AbortController()
  /** Looks that their registrations no longer wait for. */
  readonly #late = new Set<Promise<void>>()
  /** What late looks found. */
  readonly #missing = new Set<Digest>()
  #failure: Error | null = null
  /** A look at a registration found chunks missing: then its answer was not the last word. */
  #isBaseDamaged = false

  constructor(options: KnownChunksOptions) {
    this.#options = options
  }

  /**
   * Registers all chunks of an index of the base and looks at them. Throws KNOWN_CHUNK_MISSING after the base was
   * flagged, or the look's I/O error; a look that takes longer than `waitMs` goes on beside the session, and so it does
   * when `signal` says that nobody waits any more, whose reason is thrown.
   */
  async register(archiveName: string, index: ArchiveIndex, signal?: AbortSignal): Promise<void> {
    const packed = await this.#registerAll(index)
    if (this.#options.check === 'off') return
    const look = this.#look(packed)
    const isInTime = await this.#settlesInTime(look, signal)
    if (isInTime) return await this.#judge(archiveName, await look)
    this.#follow(look)
    signal?.throwIfAborted()
  }

  /**
   * The look before finish at everything that the session's indexes name and it did not write itself. Throws
   * KNOWN_CHUNK_MISSING with the text of stock's check (3.2.12), after flagging, or the I/O error without; with the
   * reason of `signal` when that is aborted meanwhile.
   */
  async checkBeforeFinish(signal?: AbortSignal): Promise<void> {
    const { check, digests } = this.#options
    if (check === 'off') return
    if (check === 'register') await this.#awaitLateUntil(signal)
    else await this.#stopLate()
    const missing = [...this.#missing].filter((digest) => !digests.isWritten(digest))
    // Once it was told of missing chunks, a client may still name others or clone the index: this look counts then.
    if (check === 'full' || this.#isBaseDamaged) {
      const look = await this.#options.chunks.lookMany(digests.usedButNotWritten(), { signal })
      if (look.failure !== null) throw failedLook(look.failure.error)
      missing.push(...look.missing)
    } else if (this.#failure !== null) throw failedLook(this.#failure)
    const used = missing.find((digest) => digests.isUsed(digest))
    if (used === undefined) return
    await this.#options.flagBase()
    const text = `stat known chunks failed - chunk ${used} is missing`
    throw errors.KNOWN_CHUNK_MISSING({ text, digest: used })
  }

  /** Ends looks that still run; resolves when they have ended. */
  async close(): Promise<void> {
    await this.#stopLate()
  }

  async #registerAll(index: ArchiveIndex): Promise<Uint8Array> {
    const packed = new Uint8Array(index.count * DIGEST_SIZE)
    for (let position = 0; position < index.count; position += 1) {
      const { bytes, offset } = index.digestLocation(position)
      const chunk = { size: index.sizeOf(position), origin: 'known' } as const
      this.#options.digests.registerAt(bytes, offset, chunk)
      packed.set(bytes.subarray(offset, offset + DIGEST_SIZE), position * DIGEST_SIZE)
      if (position % STEPS_PER_BREATH === STEPS_PER_BREATH - 1) await breathe()
    }
    return packed
  }

  async #look(packed: Uint8Array): Promise<ChunkLook> {
    return await this.#options.chunks.lookMany(packed, { signal: this.#abort.signal })
  }

  async #settlesInTime(look: Promise<ChunkLook>, signal?: AbortSignal): Promise<boolean> {
    const timer = new AbortController()
    const { clock, waitMs } = this.#options
    const end = AbortSignal.any(signal === undefined ? [timer.signal] : [timer.signal, signal])
    const late = clock.sleep(waitMs, end).then(
      () => false,
      () => false,
    )
    const settled = look.then(
      () => true,
      () => true,
    )
    try {
      return await Promise.race([settled, late])
    } finally {
      timer.abort()
    }
  }

  async #judge(archiveName: string, look: ChunkLook): Promise<void> {
    if (look.failure !== null) throw failedLook(look.failure.error)
    const [first] = look.missing
    if (first === undefined) return
    this.#isBaseDamaged = true
    for (const digest of look.missing) this.#options.digests.revoke(digest)
    await this.#options.flagBase()
    const text = `cannot reuse '${archiveName}' of the previous backup - chunk ${first} is missing`
    throw errors.KNOWN_CHUNK_MISSING({ text, digest: first })
  }

  #follow(look: Promise<ChunkLook>): void {
    const followed = look
      .then(async ({ missing, failure }) => {
        for (const digest of missing) this.#missing.add(digest)
        this.#failure ??= failure?.error ?? null
        this.#isBaseDamaged ||= missing.length > 0
        if (missing.length > 0) await this.#options.flagBase()
      })
      .catch((error: unknown) => {
        if (!this.#abort.signal.aborted) this.#failure ??= toError(error)
      })
      .finally(() => this.#late.delete(followed))
    this.#late.add(followed)
  }

  async #awaitLateUntil(signal: AbortSignal | undefined): Promise<void> {
    const stop = (): void => this.#abort.abort()
    signal?.throwIfAborted()
    signal?.addEventListener('abort', stop, { once: true })
    await this.#awaitLate()
    signal?.removeEventListener('abort', stop)
    signal?.throwIfAborted()
  }

  async #stopLate(): Promise<void> {
    this.#abort.abort()
    await this.#awaitLate()
  }

  async #awaitLate(): Promise<void> {
    for (const look of this.#late) await look
  }
}

function failedLook(cause: Error): Error {
  return errors.SESSION_FAILED({ text: `stat known chunks failed - ${cause.message}` }, { cause })
}
