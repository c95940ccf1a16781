/**
 * The file work of a collection: reading indexes into marks, listing chunk folders, removing files. Worker threads with
 * synchronous calls do it for the machine's own files, awaited calls for any other door; what to make of the bytes and
 * names is decided by the same functions for both (`mark-index.ts`, `list-folder.ts`).
 */
import type { MarksState } from './marks.ts'

export interface MarkRequest {
  readonly marks: MarksState
  /** Index files. */
  readonly paths: readonly string[]
  /** The marks may take this much; reading stops when they take more. */
  readonly bytesMax: number
}

/** Device, inode and change time of a file, and what the header of an index says of itself (races.md R-68). */
export interface IndexIdentity {
  readonly dev: bigint
  readonly ino: bigint
  readonly ctimeNs: bigint
  readonly fileSize: number
  /** Hex digits: UUID, creation time and checksum of the header, as they stand there. */
  readonly header: string
}

export interface ReadIndex {
  readonly path: string
  readonly identity: IndexIdentity
  readonly chunkCount: number
  /** Plain bytes of the archive. */
  readonly size: number
  /** Its chunks as runs of marks. */
  readonly runs: Uint32Array<ArrayBuffer>
}

export interface MarkAnswer {
  readonly marks: MarksState
  readonly indexes: readonly ReadIndex[]
  /** Paths that were gone. */
  readonly vanished: readonly string[]
  /** Whether the marks took more than allowed: the rest was not read. */
  readonly isFull: boolean
}

export interface CompareRequest {
  readonly paths: readonly string[]
  /** What each is expected to be. */
  readonly identities: readonly IndexIdentity[]
}

export interface RestoreRequest {
  readonly marks: MarksState
  /** Words of marks. */
  readonly keys: Int32Array<ArrayBuffer>
  /** One byte each: whether it is wanted. */
  readonly wanted: Uint8Array<ArrayBuffer>
}

export interface ListRequest {
  /** The `.chunks` folder. */
  readonly folder: string
  /** First two bytes of digests: from inclusive, to exclusive. */
  readonly from: number
  readonly to: number
  readonly marks: MarksState
  /** What is known of these folders: `SIZES_FIELDS` numbers each. Empty: nothing. */
  readonly known: Float64Array<ArrayBuffer>
  /** Whether all marks of the run that knows are among these: a folder that had nothing else has nothing else now. */
  readonly areMarksKept: boolean
  /** Wall time, milliseconds since the epoch. */
  readonly nowMs: number
}

/** Change time, number and bytes of the chunks of a folder, and how much is in it that the marks do not keep. */
export const SIZES_FIELDS = 4

export type EntryKind = 'chunk' | 'bad' | 'temporary'

/** A file that the marks do not keep. */
export interface LooseEntry {
  readonly kind: EntryKind
  readonly name: string
  readonly size: number
  /** The later one of modification and change time, milliseconds since the epoch. */
  readonly timeMs: number
  /** Of a bad chunk: the good one is there, so that the bad one goes although it is referenced. */
  readonly isHealed: boolean
}

export interface ListAnswer {
  /** Marked chunks: number and bytes. */
  readonly keptCount: number
  readonly keptBytes: number
  /** Bad chunks that are referenced and have no good one. */
  readonly neededBadCount: number
  readonly loose: readonly LooseEntry[]
  /** All entries that count, marked or not. */
  readonly entryCount: number
  /** For each new percent of the 65,536 folders: percent and entries of this answer before it. */
  readonly percents: readonly (readonly [percent: number, before: number])[]
  /** As in the request, for the next run. */
  readonly known: Float64Array<ArrayBuffer>
}

export interface UnlinkRequest {
  readonly folder: string
  readonly entries: readonly LooseEntry[]
  /** A file that changed since then stays: milliseconds since the epoch, one for each entry. */
  readonly cutoffsMs: readonly number[]
}

export interface UnlinkAnswer {
  /** One letter for each entry: `r` removed, `g` gone already, `k` kept because it changed. */
  readonly outcomes: string
  /** The first that could not be removed; what came after it was not tried. */
  readonly failure: { readonly path: string; readonly reason: string } | null
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

/** Calls settle after the last system call they made; `unlink` cannot be aborted. */
export interface CollectionEngine extends AsyncDisposable {
  /** Calls of `list` worth having at once, and folders of one: what an answer holds must stay small. */
  readonly listsAtOnce: number
  readonly foldersPerList: number
  /** Throws COLLECTION_MARK_FAILED for any index that cannot be read but has not vanished. */
  mark(request: MarkRequest, options: CallOptions): Promise<MarkAnswer>
  /** Whether each file is what it is expected to be, its header read afresh; false for any doubt. */
  compare(request: CompareRequest, options: CallOptions): Promise<boolean[]>
  /** Adds marks of an earlier run. */
  restore(request: RestoreRequest, options: CallOptions): Promise<MarksState>
  /** Missing folders are empty; other errors are thrown. */
  list(request: ListRequest, options: CallOptions): Promise<ListAnswer>
  unlink(request: UnlinkRequest): Promise<UnlinkAnswer>
}
