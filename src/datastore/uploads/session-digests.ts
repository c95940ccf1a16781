/**
 * What each live writer relies on (races.md 9.4): a running backup is an index that is not finished yet.
 *
 * `register` is the only way a digest enters a session. It is synchronous: between the moment a client may rely on a
 * chunk and the moment a collection knows of it there is no step in which anything else can run.
 */
import { type Digest, digestFromBytes } from '../../formats/digest.ts'
import { DigestMap } from '../../formats/digest-map.ts'

/** How a digest came into a session. */
export type DigestOrigin =
  /** This session wrote the chunk itself. */
  | 'written'
  /** Uploaded, but what was there was kept. */
  | 'duplicate'
  /** Of an index of the base snapshot that the client fetched. */
  | 'known'
  /** Of an index that a new one was cloned from: relied on, but the client may not append it. */
  | 'cloned'

/** Bits of an entry: the chunk's size (up to 2^24 inclusive), then flags. */
const SIZE_MASK = 0x1ffffff
const APPENDABLE = 0x2000000
const WRITTEN = 0x4000000
const USED = 0x8000000

/** Told of every digest that any session comes to rely on; called inside `register`, so it must not wait. */
export type RegisterHook = (bytes: Uint8Array, offset: number) => void

/** The digests of one live session. */
export class SessionDigests {
  readonly #entries = new DigestMap()
  readonly #owner: LiveSessions

  /** Only LiveSessions makes one. */
  constructor(owner: LiveSessions) {
    this.#owner = owner
  }

  get count(): number {
    return this.#entries.size
  }

  /** Registers the digest at `offset`: it is protected from now on. Known ones the client may append at once. */
  registerAt(
    bytes: Uint8Array,
    offset: number,
    chunk: { size: number; origin: DigestOrigin },
  ): void {
    const before = this.#entries.getAt(bytes, offset) ?? 0
    this.#entries.setAt(bytes, offset, entryAfter(before, chunk))
    this.#owner.onRegister?.(bytes, offset)
    if (this.#owner.condemnedCount > 0) this.#owner.failIfCondemned(this, bytes, offset)
  }

  register(digest: Digest, chunk: { size: number; origin: DigestOrigin }): void {
    this.registerAt(Buffer.from(digest, 'hex'), 0, chunk)
  }

  /** Plain size of a chunk that the client may append; undefined if he may not. */
  appendableSize(digest: Digest): number | undefined {
    const entry = this.#entries.get(digest)
    return entry === undefined || (entry & APPENDABLE) === 0 ? undefined : entry & SIZE_MASK
  }

  /** The client may append it from now on, as a chunk of this plain size; a later size wins, as in stock. */
  allow(digest: Digest, size: number): void {
    const flags = (this.#entries.get(digest) ?? 0) & (WRITTEN | USED)
    this.#entries.set(digest, (flags | (size & SIZE_MASK) | APPENDABLE) >>> 0)
  }

  /** The client may not append it (any more); it stays protected while the session lives. */
  revoke(digest: Digest): void {
    const entry = this.#entries.get(digest)
    if (entry !== undefined) this.#entries.set(digest, (entry & ~APPENDABLE) >>> 0)
  }

  /** Notes that an index of this session names it. */
  markUsed(digest: Digest): void {
    this.#entries.set(digest, ((this.#entries.get(digest) ?? 0) | USED) >>> 0)
  }

  markUsedAt(bytes: Uint8Array, offset: number): void {
    this.#entries.setAt(bytes, offset, ((this.#entries.getAt(bytes, offset) ?? 0) | USED) >>> 0)
  }

  has(digest: Digest): boolean {
    return this.#entries.has(digest)
  }

  /** Whether this session wrote the chunk itself. */
  isWritten(digest: Digest): boolean {
    return ((this.#entries.get(digest) ?? 0) & WRITTEN) !== 0
  }

  /** Whether an index of this session names it. */
  isUsed(digest: Digest): boolean {
    return ((this.#entries.get(digest) ?? 0) & USED) !== 0
  }

  /** Packed digests (32 bytes each) that its indexes name and it did not write itself. */
  usedButNotWritten(): Uint8Array {
    let count = 0
    this.#entries.forEach((_digest, entry) => {
      if (isUnwrittenUse(entry)) count += 1
    })
    const packed = new Uint8Array(count * 32)
    let offset = 0
    this.#entries.forEach((digest, entry) => {
      if (!isUnwrittenUse(entry)) return
      packed.set(digest, offset)
      offset += 32
    })
    return packed
  }

  /** All digests; `bytes` are borrowed until `visit` returns. For seeding a collection's marks. */
  forEach(visit: (bytes: Uint8Array) => void): void {
    this.#entries.forEach((digest) => visit(digest))
  }

  /** As `forEach`, yielding between steps; digests registered meanwhile may be missed: the hook hears of them. */
  forEachInSteps(slotCount: number, visit: (bytes: Uint8Array) => void): Generator<void> {
    return this.#entries.forEachInSteps(slotCount, visit)
  }
}

function entryAfter(before: number, chunk: { size: number; origin: DigestOrigin }): number {
  const size = chunk.size & SIZE_MASK
  switch (chunk.origin) {
    case 'known':
      return ((before & (WRITTEN | USED)) | size | APPENDABLE) >>> 0
    case 'written':
      return (before === 0 ? size | WRITTEN : before | WRITTEN) >>> 0
    case 'duplicate':
    case 'cloned':
      return before === 0 ? size : before
    default:
      return chunk.origin satisfies never
  }
}

function isUnwrittenUse(entry: number): boolean {
  return (entry & USED) !== 0 && (entry & WRITTEN) === 0
}

/** A session as the store sees it. */
export interface LiveSession {
  readonly digests: SessionDigests
  /** Id of its journal entry; null for a writer that has none. */
  readonly journalId: string | null
  /** Makes the session fail at finish; the first reason stays. */
  fail(reason: Error): void
}

/** All live writers of one store (by its identity). */
export class LiveSessions {
  readonly #sessions = new Set<LiveSession>()
  /** Chunks that are being taken away. */
  readonly #condemned = new Map<Digest, Error>()
  /** Set while a collection runs, by the collection; unset by it. */
  onRegister: RegisterHook | null = null

  get count(): number {
    return this.#sessions.size
  }

  get condemnedCount(): number {
    return this.#condemned.size
  }

  createDigests(): SessionDigests {
    return new SessionDigests(this)
  }

  add(session: LiveSession): void {
    this.#sessions.add(session)
  }

  remove(session: LiveSession): void {
    this.#sessions.delete(session)
  }

  [Symbol.iterator](): Iterator<LiveSession> {
    return [...this.#sessions][Symbol.iterator]()
  }

  /** A failed sync is reported once: it concerns every live session (races.md R-63). */
  failAll(reason: Error): void {
    for (const session of this.#sessions) session.fail(reason)
  }

  /**
   * For a chunk that is about to be taken away: each session that relies on it must not finish, nor one that comes to
   * rely on it until the result is disposed (races.md ). To be called before it goes: whoever is told only
   * afterwards may have finished in between.
   */
  condemn(digest: Digest, reason: Error): Disposable {
    this.#condemned.set(digest, reason)
    for (const session of this.#sessions) {
      if (session.digests.has(digest)) session.fail(reason)
    }
    return { [Symbol.dispose]: () => void this.#condemned.delete(digest) }
  }

  /** Called inside `register`. */
  failIfCondemned(digests: SessionDigests, bytes: Uint8Array, offset: number): void {
    const reason = this.#condemned.get(digestFromBytes(bytes, offset))
    if (reason === undefined) return
    for (const session of this.#sessions) if (session.digests === digests) session.fail(reason)
  }
}
