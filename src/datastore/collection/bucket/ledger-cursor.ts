/**
 * The ledger beside a LIST of the bucket, in one pass over both in the order of digests. Entries are read before the
 * page is requested that they are compared with: what is not on it has an entry older than the LIST.
 */
import type { Digest } from '../../../formats/digest.ts'
import { digestAfter } from '../../../storage/bucket-chunks/chunk-keys.ts'
import type { Ledger, LedgerEntry } from '../../../storage/ledger.ts'

/** Somewhat more than a page of a list has. */
const ENTRIES_PER_READ = 1_200

export interface Comparison {
  /** Entries without an object. */
  readonly orphans: readonly Digest[]
  /** Objects without an entry. */
  readonly unknown: readonly LedgerEntry[]
}

export class LedgerCursor {
  readonly #ledger: Ledger
  readonly #end: Digest | null
  /** Where the next read begins; null if nothing is left. */
  #next: Digest | null
  #entries: readonly LedgerEntry[] = []
  #position = 0

  /** Entries from `range.from` inclusive to `range.end` exclusive. */
  constructor(ledger: Ledger, range: { readonly from: Digest; readonly end: Digest | null }) {
    this.#ledger = ledger
    this.#next = range.from
    this.#end = range.end
  }

  /** To be awaited before a page is requested. */
  async readAhead(): Promise<void> {
    const rest = this.#entries.slice(this.#position)
    if (rest.length >= ENTRIES_PER_READ || this.#next === null) return
    const read = await this.#ledger.entries(this.#next, this.#end, ENTRIES_PER_READ)
    const last = read.at(-1)
    const isLast = last === undefined || read.length < ENTRIES_PER_READ
    this.#next = isLast ? null : digestAfter(last.digest)
    this.#entries = rest.concat(read)
    this.#position = 0
  }

  /** Compares with the next objects of the list; `isEnd`: there are no more, all entries left are orphans. */
  async compare(listed: readonly LedgerEntry[], isEnd: boolean): Promise<Comparison> {
    const orphans: Digest[] = []
    const unknown: LedgerEntry[] = []
    for (const object of listed) {
      while (!this.#skipBefore(object.digest, orphans)) await this.readAhead()
      if (this.#entries[this.#position]?.digest === object.digest) this.#position += 1
      else unknown.push(object)
    }
    if (isEnd) while (!this.#skipBefore(null, orphans)) await this.readAhead()
    return { orphans, unknown }
  }

  /** Passes over entries before `digest`, or all: they have no object. False if more must be read to know. */
  #skipBefore(digest: Digest | null, orphans: Digest[]): boolean {
    for (; this.#position < this.#entries.length; this.#position += 1) {
      const entry = this.#entries[this.#position]
      if (entry === undefined || (digest !== null && entry.digest >= digest)) return true
      orphans.push(entry.digest)
    }
    return this.#next === null
  }
}
