/**
 * Which chunks are not trusted after an unclean end (races.md R-62): those whose file changed between the last good
 * sync (less a minute) and the restart. They are verified before they count as duplicate, known or present; what was
 * verified, or written by ourselves since, is remembered.
 */
import { DigestSet } from '../formats/digest-map.ts'
import type { Digest } from '../formats/digest.ts'
import type { ChunkDoubt } from '../storage/chunk-backend.ts'

export interface DoubtWindow {
  /** Milliseconds since the epoch, inclusive. */
  readonly fromMs: number
  readonly untilMs: number
}

/** File times and our clock may differ by kernel ticks and small steps. */
export const DOUBT_MARGIN_MS = 60_000
/** A clock that was wrong before the cut: files may lie in the future of the restart. */
const CLOCK_STEP_MS = 24 * 3_600_000
/** 36 bytes each; when it is full, it is emptied: verifying again costs time, never safety. */
const TRUSTED_COUNT_MAX = 1_000_000

export class Doubt implements ChunkDoubt {
  #window: DoubtWindow | null
  #trusted = new DigestSet()
  #rewrites: boolean
  #era = 0

  /** `rewrites`: a sync failed since the machine may last have been started. */
  constructor(window: DoubtWindow | null, rewrites = false) {
    this.#window = window
    this.#rewrites = rewrites
  }

  get window(): DoubtWindow | null {
    return this.#window
  }

  get rewrites(): boolean {
    return this.#rewrites
  }

  isDoubtful(digest: Digest, mtimeMs: number, ctimeMs: number): boolean {
    if (this.#window === null || this.#trusted.has(digest)) return false
    return isWithin(mtimeMs, this.#window) || isWithin(ctimeMs, this.#window)
  }

  get era(): number {
    return this.#era
  }

  trust(digest: Digest, era: number): void {
    if (this.#window === null || era !== this.#era) return
    if (this.#trusted.size >= TRUSTED_COUNT_MAX) this.#trusted = new DigestSet()
    this.#trusted.add(digest)
  }

  /** A sync failed: what was written since the last good one is in doubt, our own writes included. */
  afterFailedSync(lastGoodSyncMs: number, nowMs: number): void {
    this.#window = joinWindows(this.#window, doubtAfter(lastGoodSyncMs, nowMs))
    this.#trusted = new DigestSet()
    this.#rewrites = true
    this.#era += 1
  }
}

/** The window after an end that was not clean. */
export function doubtAfter(lastGoodSyncMs: number, nowMs: number): DoubtWindow {
  return { fromMs: lastGoodSyncMs - DOUBT_MARGIN_MS, untilMs: nowMs + CLOCK_STEP_MS }
}

/** The smallest window that covers both. */
export function joinWindows(a: DoubtWindow | null, b: DoubtWindow | null): DoubtWindow | null {
  if (a === null || b === null) return a ?? b
  return { fromMs: Math.min(a.fromMs, b.fromMs), untilMs: Math.max(a.untilMs, b.untilMs) }
}

function isWithin(timeMs: number, window: DoubtWindow): boolean {
  return timeMs >= window.fromMs && timeMs <= window.untilMs
}
