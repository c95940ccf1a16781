/**
 * What is known of the objects of a bucket without asking it: the interface that the SQLite file and the simulator's
 * memory implement (races.md; design.md 5).
 *
 * It is a cache of the truth in the bucket. A digest without an entry is unknown: it costs one conditional PUT. What it
 * says counts only if it was asked while the gate of that digest is held by the asker, or by nobody: whoever deletes
 * holds it from before the entry goes until the store's answer is definite.
 *
 * An implementation promises:
 * - `knowsAt`, `add` and `drop` are synchronous and take microseconds; other processes see at once what was condemned,
 *   and additions a moment later;
 * - an entry that a power cut loses is one more unknown; an entry never outlives the object: `condemn` is on stable
 *   storage before it resolves;
 * - all keys are whole digests.
 */
import type { Digest } from '../formats/digest.ts'

export interface LedgerEntry {
  readonly digest: Digest
  /** Bytes of the object; null if only its being there is known. */
  readonly size: number | null
}

/** Who we are in the bucket, kept with the entries (races.md R-59). */
export interface LedgerHolder {
  readonly holderId: string
  readonly generation: number
  /** Random, of the write that made this generation; tells clones apart. */
  readonly nonce: string
  /** The generation that is about to be written, with its nonce; null if none. */
  readonly pending: { readonly generation: number; readonly nonce: string } | null
  /** In which run of the machine chunks were deleted last; absent or null: it is not known. */
  readonly bootId?: string | null
}

/** A key whose delete may still be executed. */
export interface Suspect {
  readonly key: string
  /** Wall time of the last attempt, milliseconds since the epoch. */
  readonly lastMs: number
}

export interface Ledger {
  /** The entry of a digest at `offset` of `bytes`; null: unknown. */
  knowsAt(bytes: Uint8Array, offset: number): { readonly size: number | null } | null
  /** The object is there, by a definite answer that the holder of its gate got. */
  add(digest: Digest, size: number | null): void
  /** Forgets an entry that turned out to be wrong (a HEAD answered 404). */
  drop(digest: Digest): void
  /** Entries with digests from `from` inclusive to `to` exclusive (null: to the end), in order, at most `count`. */
  entries(from: Digest, to: Digest | null, count: number): Promise<readonly LedgerEntry[]>
  /** About: what is on its way counts, whether it is new or not. */
  readonly count: number

  /**
   * Before a DELETE is sent: entries of these keys' digests go and the keys become suspects, in one durable step.
   * Keys of other objects (metadata, bad ones) are suspects only.
   */
  condemn(keys: readonly string[], nowMs: number): Promise<void>
  /** The store confirmed these by name, and no attempt was left unanswered: no suspects any more. */
  acquit(keys: readonly string[]): Promise<void>
  /** An attempt was left unanswered, or repeated: the time counts from now. */
  renewSuspects(keys: readonly string[], nowMs: number): Promise<void>
  /** All of them; few. A restart makes suspects of all that were condemned and not acquitted. */
  suspects(): Promise<readonly Suspect[]>
  /** Whether the key is one, at once; every key is while everything is in doubt. */
  isSuspect(key: string): boolean
  /** Wall time of its last attempt, at once; null if it is none. */
  suspectSinceMs(key: string): number | null

  /**
   * What is known here of requests that are on their way may be incomplete: everything is a suspect, as if it had been
   * asked to be deleted at `lastMs`, the latest time at which such a request may have been sent. Durable when it resolves;
   * entries that are there stay, see `clear`.
   */
  doubtAll(lastMs: number): Promise<void>
  /** Such a request was sent at `lastMs` at the latest, or none is on its way (null). Durable when it resolves. */
  limitDoubt(lastMs: number | null): Promise<void>
  /** `lastMs` of `doubtAll`, at once; null if nothing is in doubt by it, or no more. */
  readonly allDoubtedMs: number | null

  /**
   * What a LIST shows, during a rebuild: adds those that have no entry, are no suspects, and were not condemned since
   * `beginRebuild` (a page may be older than a delete).
   */
  beginRebuild(): Promise<void>
  addListed(entries: readonly LedgerEntry[]): Promise<void>
  endRebuild(): Promise<void>

  readonly holder: LedgerHolder | null
  /** On stable storage when it resolves. */
  setHolder(holder: LedgerHolder): Promise<void>
  /** Forgets all entries; holder and suspects stay. */
  clear(): Promise<void>
  close(): Promise<void>
}

/**
 * How long others may go on sending deletes after they lost the bucket: whoever collects looks again whether it is his
 * before he sends one, if his last look is older (races.md R-59).
 */
export const HOLDER_LOOK_MS = 5 * 60_000

/** How long a request may live after its last attempt: signature validity and what stores state, generously (races.md R-60). */
export const REQUEST_LIFE_MS = 20 * 60_000
