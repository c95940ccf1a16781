/** Ends the process when a decoder never comes back: nothing in its own thread could say so. */
import { Worker } from 'node:worker_threads'

/** What the watching thread is given. */
export interface WatchdogData {
  readonly what: string
  /** The number of the input that is being decoded. */
  readonly counter: SharedArrayBuffer
}

export class Watchdog implements Disposable {
  readonly #counter: Int32Array
  readonly #worker: Worker

  /** `what` is printed before the process ends. */
  constructor(what: string) {
    const counter = new SharedArrayBuffer(4)
    const workerData: WatchdogData = { what, counter }
    this.#counter = new Int32Array(counter)
    this.#worker = new Worker(new URL('./watchdog-thread.ts', import.meta.url), { workerData })
    this.#worker.unref()
  }

  /** Another input begins; its number. */
  step(): number {
    return Atomics.add(this.#counter, 0, 1) + 1
  }

  [Symbol.dispose](): void {
    void this.#worker.terminate()
  }
}
