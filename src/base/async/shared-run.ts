/** Group commit: callers that arrive while a run is in flight share the next one. */

/** For work like a file system sync, where one run that began after my call serves me and all like me. */
export class SharedRun {
  #current: Promise<void> | null = null
  #next: Promise<void> | null = null

  /**
   * Resolves after a run of `fn` that began after this call. Callers must pass equivalent
   * functions: the one of the first caller of a run is used. An error reaches all who share it.
   */
  async run(fn: () => Promise<void>): Promise<void> {
    if (this.#next !== null) return await this.#next
    if (this.#current === null) return await this.#begin(fn)
    this.#next = this.#afterCurrent(this.#current, fn)
    return await this.#next
  }

  async #afterCurrent(current: Promise<void>, fn: () => Promise<void>): Promise<void> {
    await current.catch(() => {})
    this.#next = null
    return await this.#begin(fn)
  }

  async #begin(fn: () => Promise<void>): Promise<void> {
    const run = Promise.resolve().then(fn)
    this.#current = run
    try {
      await run
    } finally {
      if (this.#current === run) this.#current = null
    }
  }
}
