/** What the ledger's thread does, as plain values. Each task is short: others write between them. */
import type { LedgerHolder, Suspect } from '../ledger.ts'

export type LedgerTask = {
  readonly path: string
} /** Opens the file and writes back what an earlier run left in the log. */ & (
  | { readonly kind: 'open'; readonly nowMs: number }
  | { readonly kind: 'condemn'; readonly keys: readonly string[]; readonly nowMs: number }
  | { readonly kind: 'doubt-all'; readonly lastMs: number }
  | { readonly kind: 'limit-doubt'; readonly lastMs: number | null }
  | { readonly kind: 'acquit'; readonly keys: readonly string[] }
  | { readonly kind: 'renew'; readonly keys: readonly string[]; readonly nowMs: number }
  /** What the main thread noted, in order; nothing of it if another process condemned since `seen`. */
  | {
      readonly kind: 'apply'
      readonly entries: PackedEntries
      readonly seen: Condemnations
    }
  | {
      readonly kind: 'entries'
      readonly from: Uint8Array
      readonly to: Uint8Array | null
      readonly count: number
    }
  | { readonly kind: 'suspects' }
  | { readonly kind: 'begin-rebuild'; readonly nowMs: number }
  | { readonly kind: 'add-listed'; readonly entries: PackedEntries; readonly nowMs: number }
  | { readonly kind: 'end-rebuild' }
  | { readonly kind: 'set-holder'; readonly holder: LedgerHolder }
  /** Entries of these first bytes: all of them, one step after the other. */
  | { readonly kind: 'clear'; readonly firstByte: number }
  /** Suspects and holder of a damaged file, then into a new one. */
  | { readonly kind: 'rescue' }
  | { readonly kind: 'adopt'; readonly rescued: Rescued | null; readonly nowMs: number }
  | { readonly kind: 'close' }
)

/** Batches of deletes that were ever condemned in the file, and those of them that other processes condemned. */
export interface Condemnations {
  readonly all: number
  readonly foreign: number
}

export const SIZE_UNKNOWN = -1
/** In place of a size: the entry is to go. */
export const ENTRY_GONE = -2

/** Digests of 32 bytes each, and as many sizes. */
export interface PackedEntries {
  readonly digests: Uint8Array<ArrayBuffer>
  readonly sizes: Int32Array<ArrayBuffer>
}

export type OpenAnswer =
  | { readonly kind: 'open'; readonly seen: Condemnations }
  | { readonly kind: 'too-new'; readonly version: number }
  | { readonly kind: 'damaged'; readonly reason: string }

/** What a damaged file still told. */
export interface Rescued {
  readonly suspects: readonly Suspect[]
  readonly holder: LedgerHolder | null
}
