/**
 * Where chunk bytes lie: the interface that a folder, a bucket and a memory map implement.
 *
 * An implementation promises:
 * - under a digest there is either nothing or a complete blob; what is empty counts as nothing;
 * - `put` returns when a reader would get the bytes (durable only if it was made so);
 * - two `put` of one digest at once leave one of the two contents; callers hold the gate anyway;
 * - a promise settles after the last system call it made, never before.
 */
import type { Allocate } from '../base/buffer-pool.ts'
import type { Digest } from '../formats/digest.ts'

export interface PutResult {
  /** Whether what was there is kept. */
  readonly duplicate: boolean
  /** Bytes now stored under the digest. */
  readonly storedSize: number
}

export interface LookFailure {
  readonly digest: Digest
  readonly error: Error
}

export interface ChunkLook {
  /** Digests that have no chunk, each once. */
  readonly missing: readonly Digest[]
  /** The first look that failed for another reason than absence; the rest was not looked at then. */
  readonly failure: LookFailure | null
}

/** Its signal and log are for a wait before the put; a put that has begun is waited for. */
export interface PutOptions extends CertainOptions {
  /** False: no local copy is kept of it (`no-cache` sessions); true by default. */
  readonly isCached?: boolean | undefined
}

export interface ReadOptions {
  /**
   * 'origin': the chunk itself and no copy of it, with whatever content it has: for who judges it. 'anywhere', the
   * default: a copy will do, and content with a wrong CRC is an error.
   */
  readonly from?: 'anywhere' | 'origin' | undefined
}

/** Chunks whose presence is not final: an earlier DELETE of them may still be executed (races.md R-60). */
export interface ProvisionalChunks {
  /**
   * While everything is in doubt: waits until it is over, and for what is read from the store after it. Resolves at once
   * otherwise. Throws the signal's reason.
   */
  untilCertain(options?: CertainOptions): Promise<void>
  /** Those that `has` picks. */
  pending(has: (digest: Digest) => boolean): Promise<readonly Digest[]>
  /** How long `settle` would wait for the deletes' lives to end, milliseconds. */
  waitMs(digests: readonly Digest[]): Promise<number>
  /**
   * Waits until no delete of it can be executed any more, then sees to it that the chunk is there, by putting it again
   * if we have its bytes. False: it is gone, and so are its bytes. Takes the gate for itself.
   */
  settle(digest: Digest, signal?: AbortSignal): Promise<boolean>
  /** Forgets those that nobody needs, with their bytes. */
  release(isNeeded: (digest: Digest) => boolean): void
}

export interface CertainOptions {
  readonly signal?: AbortSignal | undefined
  /** Told once, if there is anything to wait for. */
  readonly log?: ((line: string) => void) | undefined
}

export interface ChunkBackend {
  /** Null: what `put` stored stays. */
  readonly provisional: ProvisionalChunks | null
  /**
   * The whole stored blob, owned by the caller but not to be changed; `allocate` may give the memory. Throws
   * CHUNK_MISSING, or the system's error.
   */
  read(digest: Digest, allocate?: Allocate, options?: ReadOptions): Promise<Uint8Array<ArrayBuffer>>
  /** Size in bytes; null if there is no chunk (an empty file is none). Other errors are thrown. */
  stat(digest: Digest): Promise<{ readonly size: number } | null>
  /**
   * Stores `blob` (header with a right CRC) unless what is there is to be kept, by the table of
   * datastore-semantics.md 3.2. `blob` must not change until the promise settles.
   * Throws CHUNK_PLAIN_KEPT, CHUNK_ENCRYPTED_KEPT, CHUNK_FILE_TYPE_WRONG, system errors.
   */
  put(digest: Digest, blob: Uint8Array, options?: PutOptions): Promise<PutResult>
  /** Takes a bad chunk out of the way and keeps it as evidence; its new place, null if it was gone. */
  markBad(digest: Digest): Promise<string | null>
  /** Looks whether all of `digests` (32 bytes each, packed, any order, repeats allowed) have chunks. */
  lookMany(
    digests: Uint8Array,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<ChunkLook>
  /** The chunk's place, for messages. */
  pathOf(digest: Digest): string
}

/** Which stored chunks a caller does not trust after an unclean end (races.md R-62). */
export interface ChunkDoubt {
  /** Milliseconds since the epoch; null while nothing is in doubt. */
  readonly window: { readonly fromMs: number; readonly untilMs: number } | null
  /** Whether a chunk whose file changed at these times is to be verified before it counts. */
  isDoubtful(digest: Digest, mtimeMs: number, ctimeMs: number): boolean
  /** Changes when a sync fails: what was written or read before then may be in memory only. */
  readonly era: number
  /** Says that the chunk was verified, or written by us, since `era` was read; nothing if it is over. */
  trust(digest: Digest, era: number): void
  /**
   * Whether a doubtful chunk that reads well is to be written again: after a failed sync memory shows what the disk
   * never got (races.md R-63).
   */
  readonly rewrites: boolean
}

/** No doubt at all. */
export const noDoubt: ChunkDoubt = {
  window: null,
  isDoubtful: () => false,
  era: 0,
  trust() {},
  rewrites: false,
}
