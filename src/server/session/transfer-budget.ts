/**
 * Memory of bodies on their way, for all sessions together. Each session may hold its share of the
 * total, and one body in any case: a slow client holds nobody up but itself.
 */
import { WaitList, releaseOnce } from '../../base/async/wait-list.ts'

export interface BudgetLimits {
  /** Bytes of all sessions together, unless they are very many. */
  readonly totalSize: number
  /** What one session has at least, and at most. */
  readonly shareMin: number
  readonly shareMax: number
}

export class TransferBudget {
  readonly #limits: BudgetLimits
  readonly #shares = new Set<BudgetShare>()

  constructor(limits: BudgetLimits) {
    this.#limits = limits
  }

  /** A share for one session; dispose it at its end. */
  open(): BudgetShare {
    const share = new BudgetShare(
      () => this.#shareSize,
      () => this.#shares.delete(share),
    )
    this.#shares.add(share)
    return share
  }

  get #shareSize(): number {
    const { totalSize, shareMin, shareMax } = this.#limits
    const even = totalSize / Math.max(1, this.#shares.size)
    return Math.min(shareMax, Math.max(shareMin, even))
  }
}

/** The bodies of one session; they get their room in the order in which they came. */
export class BudgetShare implements Disposable {
  readonly #shareSize: () => number
  readonly #close: () => void
  readonly #waiting = new WaitList<number>()
  #used = 0

  constructor(shareSize: () => number, close: () => void) {
    this.#shareSize = shareSize
    this.#close = close
  }

  /** Waits for room for `size` bytes. Rejects with the signal's reason. */
  async acquire(size: number, signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted()
    if (this.#waiting.size > 0 || !this.#fits(size)) {
      await this.#waiting.wait(size, signal, () => this.#handOver())
    } else this.#used += size
    return releaseOnce(() => {
      this.#used -= size
      this.#handOver()
    })
  }

  [Symbol.dispose](): void {
    this.#close()
  }

  #fits(size: number): boolean {
    return this.#used === 0 || this.#used + size <= this.#shareSize()
  }

  #handOver(): void {
    for (;;) {
      const size = this.#waiting.first()
      if (size === undefined || !this.#fits(size)) return
      this.#used += size
      this.#waiting.wakeFirst()
    }
  }
}
