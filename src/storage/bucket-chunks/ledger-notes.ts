/**
 * What a ledger was told and has not written yet: the last word for each digest, in batches. Only one batch is being
 * written at a time; what comes meanwhile waits for the next.
 */
import { type Digest, DIGEST_SIZE } from '../../formats/digest.ts'
import { type Condemnations, ENTRY_GONE, type PackedEntries, SIZE_UNKNOWN } from './ledger-tasks.ts'

interface Batch {
  /** A size, SIZE_UNKNOWN or ENTRY_GONE. */
  readonly notes: Map<Digest, number>
  /** When its first note came. */
  readonly seen: Condemnations
}

const NOTHING: Batch = { notes: new Map(), seen: { all: 0, foreign: 0 } }

export class LedgerNotes {
  #waiting = NOTHING
  #written = NOTHING

  /** Whether there is nothing at all. */
  get isEmpty(): boolean {
    return this.#waiting.notes.size === 0 && this.#written.notes.size === 0
  }

  get waitingCount(): number {
    return this.#waiting.notes.size
  }

  /** Entries that came less those that went: an estimate, for one may be noted that was there. */
  get countChange(): number {
    let change = 0
    for (const { notes } of [this.#waiting, this.#written]) {
      for (const note of notes.values()) change += note === ENTRY_GONE ? -1 : 1
    }
    return change
  }

  /** The last word on it, and what was seen when it was said, or before. */
  find(digest: Digest): { readonly note: number; readonly seen: Condemnations } | null {
    for (const { notes, seen } of [this.#waiting, this.#written]) {
      const note = notes.get(digest)
      if (note !== undefined) return { note, seen }
    }
    return null
  }

  /** `seen`: what is known now of condemnations. */
  set(digest: Digest, note: number, seen: Condemnations): void {
    if (this.#waiting.notes.size === 0) this.#waiting = { notes: new Map(), seen }
    const before = this.#waiting.notes.get(digest)
    // A size that is known stays known.
    if (note === SIZE_UNKNOWN && before !== undefined && before !== ENTRY_GONE) return
    this.#waiting.notes.set(digest, note)
  }

  /** Nothing is to be written of it any more; what is being written comes before whatever is asked for next. */
  forget(digest: Digest): void {
    this.#waiting.notes.delete(digest)
    this.#written.notes.delete(digest)
  }

  /** The next batch. To be called when none is being written. */
  take(): { readonly entries: PackedEntries; readonly seen: Condemnations } {
    const { notes, seen } = this.#waiting
    this.#written = this.#waiting
    this.#waiting = NOTHING
    const digests = new Uint8Array(notes.size * DIGEST_SIZE)
    const sizes = new Int32Array(notes.size)
    let index = 0
    for (const [digest, note] of notes) {
      Buffer.from(digests.buffer).write(digest, index * DIGEST_SIZE, 'hex')
      sizes[index] = note
      index += 1
    }
    return { entries: { digests, sizes }, seen }
  }

  /** The batch was written, or given up. */
  done(): void {
    this.#written = NOTHING
  }
}
