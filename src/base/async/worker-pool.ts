/** A fixed number of threads that run tasks of one script, for synchronous and heavy work. */
import { Worker } from 'node:worker_threads'
import { errors } from './errors.ts'
import { Semaphore } from './semaphore.ts'
import { type FromWorker, type ToWorker, unpackError } from './worker-messages.ts'

export interface RunOptions {
  /** Buffers of the task to hand over instead of copying; they are gone here afterwards. */
  readonly transfer?: readonly ArrayBuffer[]
  /**
   * Aborted while the task waits for a thread: it never runs. Aborted later: the thread is told,
   * and the promise rejects with the signal's reason when the thread has stopped.
   */
  readonly signal?: AbortSignal | undefined
  /** Called with what the task tells meanwhile. */
  readonly onNews?: (news: unknown) => void
}

/**
 * Threads of the script at `url`, which calls `serveWorker` (TypeScript runs as it is). They are
 * made when first needed, one task each, in order of arrival; a thread that ends with a task fails
 * that task with WORKER_CRASHED and is replaced. Idle threads do not keep the process alive.
 */
export class WorkerPool implements AsyncDisposable {
  readonly #url: URL
  readonly #slots: Semaphore
  readonly #idle: Worker[] = []
  readonly #all = new Set<Worker>()
  readonly #closing = new AbortController()

  constructor(url: URL, options: { readonly size: number }) {
    this.#url = url
    this.#slots = new Semaphore(options.size)
  }

  /** Threads alive. */
  get threadCount(): number {
    return this.#all.size
  }

  /** Result of `task` in one of the threads; errors keep class, code and data. */
  async run<Result>(task: unknown, options: RunOptions = {}): Promise<Result> {
    const { signal } = options
    const isOver = this.#closing.signal
    const either = signal === undefined ? isOver : AbortSignal.any([signal, isOver])
    using _slot = await this.#slots.acquire(1, either).catch((error: unknown) => {
      throw isOver.aborted ? this.#closedError() : error
    })
    if (isOver.aborted) throw this.#closedError()
    signal?.throwIfAborted()
    const worker = this.#idle.pop() ?? this.#spawn()
    worker.ref()
    try {
      return (await this.#exchange(worker, task, options)) as Result
    } finally {
      if (this.#all.has(worker)) {
        worker.unref()
        this.#idle.push(worker)
      }
    }
  }

  /** Ends all threads; tasks running or waiting fail with WORKER_POOL_CLOSED. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    for (const worker of this.#all) await worker.terminate()
  }

  async #exchange(worker: Worker, task: unknown, options: RunOptions): Promise<unknown> {
    const { signal, onNews } = options
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    let crash: unknown
    const onMessage = (message: FromWorker): void => {
      if (message.kind === 'news') onNews?.(message.news)
      else if (message.kind === 'result') resolve(message.result)
      else if (signal?.aborted === true) reject(signal.reason)
      else reject(unpackError(message.error))
    }
    const onError = (error: unknown): void => {
      crash = error
    }
    const onExit = (exitCode: number): void => reject(this.#endError(exitCode, crash))
    const abortFlag = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
    const onAbort = (): void => {
      Atomics.store(new Int32Array(abortFlag), 0, 1)
      worker.postMessage({ kind: 'abort' } satisfies ToWorker, [])
    }
    worker.on('message', onMessage).on('error', onError).on('exit', onExit)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      worker.postMessage({ kind: 'task', task, abortFlag } satisfies ToWorker, options.transfer)
      return await promise
    } finally {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  #spawn(): Worker {
    const worker = new Worker(this.#url)
    this.#all.add(worker)
    worker.on('exit', () => {
      this.#all.delete(worker)
      const index = this.#idle.indexOf(worker)
      if (index !== -1) this.#idle.splice(index, 1)
    })
    // Without a listener an error in an idle thread would end the process; its exit follows anyway.
    worker.on('error', () => {})
    return worker
  }

  #endError(exitCode: number, crash: unknown): Error {
    if (this.#closing.signal.aborted) return this.#closedError()
    const data = { script: this.#url.pathname, exitCode }
    return errors.WORKER_CRASHED(data, crash === undefined ? {} : { cause: crash })
  }

  #closedError(): Error {
    return errors.WORKER_POOL_CLOSED({ script: this.#url.pathname })
  }
}
