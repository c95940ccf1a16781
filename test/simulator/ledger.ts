/** What clients were told: the snapshots that were answered as finished, and what each has to give back. */

export interface Expected {
  /** Digests of each archive, in order. */
  readonly archives: ReadonlyMap<string, readonly string[]>
  /** Whether the client was told that it is finished. */
  isAnswered: boolean
  /** Somebody was asked to remove it, or it was never promised to outlive a power cut. */
  mayBeGone: boolean
  /** Notes as they were set last, by a call that was answered. */
  notes: string | null
  /** Calls that set notes and have not been answered. */
  settingNotes: number
  /** Calls that set notes, answered or not. */
  notesCalls: number
  /** A verification wrote its state. */
  isVerified: boolean
}

export class Ledger {
  readonly snapshots = new Map<string, Expected>()
  /** Chunks that the schedule itself destroyed, until they are whole again. */
  readonly damaged = new Set<string>()
  /** Namespaces that were removed, and that nobody made again. */
  readonly goneSpaces = new Set<string>()
  /** The last damage: which, and at which step. */
  lastRot: { readonly digest: string; readonly how: string; readonly step: number } | null = null
  /** Damaged ones that somebody wrote again, with the number of syncs before: not durable until the next. */
  readonly healed = new Map<string, number>()
  /** Snapshots that were there when a collection began that ended well. */
  readonly collected = new Set<string>()
  /** Snapshots of which nothing is demanded: another program left them, or a power cut at level `none`. */
  readonly excused = new Set<string>()

  begin(key: string, archives: ReadonlyMap<string, readonly string[]>): Expected {
    const expected: Expected = {
      archives,
      isAnswered: false,
      mayBeGone: false,
      notes: null,
      settingNotes: 0,
      notesCalls: 0,
      isVerified: false,
    }
    this.snapshots.set(key, expected)
    return expected
  }

  /** A move that a power cut undid: backup times never repeat, so they tell which is which. */
  findAgain(keys: readonly string[]): void {
    for (const known of this.snapshots.keys()) {
      const time = known.slice(known.lastIndexOf('/'))
      const found = keys.find((key) => key.endsWith(time))
      if (found !== undefined && found !== known) this.moved(known, found)
    }
  }

  moved(from: string, to: string): void {
    const expected = this.snapshots.get(from)
    if (expected === undefined) return
    this.snapshots.delete(from)
    this.snapshots.set(to, expected)
    if (this.excused.has(from)) this.excused.add(to)
  }
}
