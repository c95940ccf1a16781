/** A real ledger in maps, for tests and simulations: every promise of Ledger, no disk. */
import { type Clock, systemClock } from '../../base/time/clock.ts'
import { type Digest, digestFromBytes } from '../../formats/digest.ts'
import {
  type Ledger,
  type LedgerEntry,
  type LedgerHolder,
  REQUEST_LIFE_MS,
  type Suspect,
} from '../ledger.ts'
import { digestOfKey } from './chunk-keys.ts'

/** What a ledger holds: to be kept, copied, and put back as an older disk does. */
export interface LedgerState {
  readonly entries: ReadonlyMap<Digest, number | null>
  readonly suspects: ReadonlyMap<string, number>
  /** Of `doubtAll`. */
  readonly allDoubtedMs?: number | null
  /** Condemned or dropped since the rebuild began; null while none runs. */
  readonly rebuild: ReadonlySet<Digest> | null
  readonly holder: LedgerHolder | null
}

export class MemoryLedger implements Ledger {
  #entries = new Map<Digest, number | null>()
  #suspects = new Map<string, number>()
  #rebuild: Set<Digest> | null = null
  #holder: LedgerHolder | null = null
  #allDoubtedMs: number | null = null
  readonly #clock: Clock

  /** A ledger that holds `state`, which stays as it is. */
  constructor(state?: LedgerState, clock: Clock = systemClock) {
    this.#clock = clock
    if (state !== undefined) this.restore(state)
  }

  /** A copy of what it holds now. */
  snapshot(): LedgerState {
    return {
      entries: new Map(this.#entries),
      suspects: new Map(this.#suspects),
      allDoubtedMs: this.#allDoubtedMs,
      rebuild: this.#rebuild === null ? null : new Set(this.#rebuild),
      holder: this.#holder,
    }
  }

  /** Holds `state` from now on, as a disk that was rolled back does. */
  restore(state: LedgerState): void {
    this.#entries = new Map(state.entries)
    this.#suspects = new Map(state.suspects)
    this.#allDoubtedMs = state.allDoubtedMs ?? null
    this.#rebuild = state.rebuild === null ? null : new Set(state.rebuild)
    this.#holder = state.holder
  }

  get count(): number {
    return this.#entries.size
  }

  knowsAt(bytes: Uint8Array, offset: number): { readonly size: number | null } | null {
    const size = this.#entries.get(digestFromBytes(bytes, offset))
    return size === undefined ? null : { size }
  }

  add(digest: Digest, size: number | null): void {
    this.#entries.set(digest, size ?? this.#entries.get(digest) ?? null)
  }

  drop(digest: Digest): void {
    this.#entries.delete(digest)
    this.#rebuild?.add(digest)
  }

  async entries(from: Digest, to: Digest | null, count: number): Promise<readonly LedgerEntry[]> {
    const isInside = (digest: Digest): boolean => digest >= from && (to === null || digest < to)
    return [...this.#entries]
      .filter(([digest]) => isInside(digest))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, count)
      .map(([digest, size]) => ({ digest, size }))
  }

  async condemn(keys: readonly string[], nowMs: number): Promise<void> {
    for (const key of keys) {
      const digest = digestOfKey(key)
      if (digest !== null) this.drop(digest)
      this.#suspects.set(key, nowMs)
    }
  }

  async acquit(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#suspects.delete(key)
  }

  async renewSuspects(keys: readonly string[], nowMs: number): Promise<void> {
    for (const key of keys) this.#suspects.set(key, nowMs)
  }

  async suspects(): Promise<readonly Suspect[]> {
    return [...this.#suspects].map(([key, lastMs]) => ({ key, lastMs }))
  }

  isSuspect(key: string): boolean {
    return this.suspectSinceMs(key) !== null
  }

  suspectSinceMs(key: string): number | null {
    const [ownMs, allMs] = [this.#suspects.get(key) ?? null, this.allDoubtedMs]
    return ownMs === null ? allMs : Math.max(ownMs, allMs ?? 0)
  }

  async doubtAll(lastMs: number): Promise<void> {
    this.#allDoubtedMs = Math.max(this.#allDoubtedMs ?? 0, lastMs)
  }

  async limitDoubt(lastMs: number | null): Promise<void> {
    const before = this.#allDoubtedMs
    this.#allDoubtedMs = before === null || lastMs === null ? null : Math.min(before, lastMs)
  }

  get allDoubtedMs(): number | null {
    const lastMs = this.#allDoubtedMs
    if (lastMs === null) return null
    return this.#clock.now() >= lastMs + REQUEST_LIFE_MS ? null : lastMs
  }

  async beginRebuild(): Promise<void> {
    this.#rebuild = new Set()
  }

  async addListed(entries: readonly LedgerEntry[]): Promise<void> {
    if (this.allDoubtedMs !== null) return
    const suspected = new Set(Array.from(this.#suspects.keys(), digestOfKey))
    for (const { digest, size } of entries) {
      const isTaken = this.#entries.has(digest) || suspected.has(digest)
      if (!isTaken && this.#rebuild?.has(digest) === false) this.#entries.set(digest, size)
    }
  }

  async endRebuild(): Promise<void> {
    this.#rebuild = null
  }

  get holder(): LedgerHolder | null {
    return this.#holder
  }

  async setHolder(holder: LedgerHolder): Promise<void> {
    this.#holder = holder
  }

  async clear(): Promise<void> {
    this.#entries.clear()
  }

  async close(): Promise<void> {}
}
