/** The thread's side of a worker pool: a worker's script calls `serveWorker` once. */
import { parentPort } from 'node:worker_threads'
import { assert } from '../assert.ts'
import { type FromWorker, packError, type ToWorker } from './worker-messages.ts'

export interface WorkerContext {
  /** Aborted when the caller gives up; seen only by asynchronous code. */
  readonly signal: AbortSignal
  /** The same for synchronous loops: true as soon as the caller gave up. */
  isAborted(): boolean
  /** Throws the abort reason if the caller gave up. */
  throwIfAborted(): void
  /** Sends `news` to the caller's `onNews`. */
  tell(news: unknown): void
}

/** A result whose buffers are handed over instead of copied. */
export class Transferred<Result> {
  readonly result: Result
  readonly transfer: readonly ArrayBuffer[]

  constructor(result: Result, transfer: readonly ArrayBuffer[]) {
    this.result = result
    this.transfer = transfer
  }
}

/** Answers each task of the pool with the result of `handler`; one at a time. */
export function serveWorker<Result>(
  handler: (
    task: unknown,
    context: WorkerContext,
  ) => Result | Transferred<Result> | Promise<Result | Transferred<Result>>,
): void {
  const port = parentPort
  assert(port !== null, 'serveWorker runs in a worker thread')
  const send = (message: FromWorker, transfer: readonly ArrayBuffer[] = []): void =>
    port.postMessage(message, [...transfer])
  let controller = new AbortController()
  const answer = async (task: unknown, abortFlag: SharedArrayBuffer): Promise<void> => {
    controller = new AbortController()
    try {
      const outcome = await handler(task, makeContext(controller.signal, abortFlag, send))
      if (outcome instanceof Transferred) {
        send({ kind: 'result', result: outcome.result }, outcome.transfer)
      } else {
        send({ kind: 'result', result: outcome })
      }
    } catch (error) {
      send({ kind: 'error', error: packError(error) })
    }
  }
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'abort') controller.abort()
    else void answer(message.task, message.abortFlag)
  })
}

function makeContext(
  signal: AbortSignal,
  abortFlag: SharedArrayBuffer,
  send: (message: FromWorker) => void,
): WorkerContext {
  const flag = new Int32Array(abortFlag)
  const isAborted = (): boolean => Atomics.load(flag, 0) !== 0
  return {
    signal,
    isAborted,
    throwIfAborted() {
      if (isAborted()) throw new DOMException('This operation was aborted', 'AbortError')
    },
    tell: (news) => send({ kind: 'news', news }),
  }
}
