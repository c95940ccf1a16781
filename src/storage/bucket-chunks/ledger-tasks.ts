/** What the ledger's thread does, as plain values. Each task is short: others write between them. */
import type { LedgerHolder, Suspect } from '../ledger.ts'

export type LedgerTask = {
  readonly path: string
} /** Opens the file and writes back what an earlier run left in the log. */ & (
  | { readonly kind: 'open'; readonly nowMs: number }
  | { readonly kind: 'condemn'; readonly keys: readonly string[]; readonly nowMs: number }
  | { readonly kind: 'acquit'; readonly keys: readonly string[] }
  | { readonly kind: 'renew'; readonly keys: readonly string[]; readonly nowMs: number }
  | { readonly kind: 'drop'; readonly digests: Uint8Array }
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
  /** Writes the log back; `added` came since the last time. */
  | { readonly kind: 'write-back'; readonly added: number }
  /** Everything into a new file: suspects and holder of a damaged one. */
  | { readonly kind: 'rescue' }
  | { readonly kind: 'adopt'; readonly rescued: Rescued | null; readonly nowMs: number }
  | { readonly kind: 'close'; readonly added: number }
)

/** Digests of 32 bytes each, and as many sizes; -1: not known. */
export interface PackedEntries {
  readonly digests: Uint8Array<ArrayBuffer>
  readonly sizes: Int32Array<ArrayBuffer>
}

export type OpenAnswer =
  | { readonly kind: 'open' }
  | { readonly kind: 'too-new'; readonly version: number }
  | { readonly kind: 'damaged'; readonly reason: string }

/** What a damaged file still told. */
export interface Rescued {
  readonly suspects: readonly Suspect[]
  readonly holder: LedgerHolder | null
}
