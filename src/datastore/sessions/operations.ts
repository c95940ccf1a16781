/** Counts what runs inside a session, so that its end waits for it: no file is written after its folder is gone. */

export class Operations {
  #count = 0
  #waiting: (() => void)[] = []

  /** Runs `work` as one operation. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#count += 1
    try {
      return await work()
    } finally {
      this.#count -= 1
      if (this.#count === 0) for (const wake of this.#waiting.splice(0)) wake()
    }
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    while (this.#count > 0) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }
}
