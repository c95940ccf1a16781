/**
 * Between the main thread and one worker that only makes waiting calls: bounded, and able to stop.
 * A worker blocks in `Atomics.wait` while too many of its messages have not been taken.
 */
import { CairnError, type ErrorKind, toError } from '../base/errors.ts'
import { systemCode } from './system-text.ts'

/** Messages on the way at a time, each of at most 2 MiB: enough to keep both threads busy. */
const PENDING_MAX = 6
const PENDING = 0
const ABORTED = 1

/** Shared with the worker: count of messages on the way, and whether it shall stop. */
export type LinkState = Int32Array<SharedArrayBuffer>

export function newLinkState(): LinkState {
  return new Int32Array(new SharedArrayBuffer(8))
}

/** Main thread: one message was taken. */
export function releaseMessage(state: LinkState): void {
  Atomics.sub(state, PENDING, 1)
  Atomics.notify(state, PENDING)
}

/** Main thread: the worker shall stop at its next message or entry. */
export function requestAbort(state: LinkState): void {
  Atomics.store(state, ABORTED, 1)
  Atomics.add(state, PENDING, 1)
  Atomics.notify(state, PENDING)
}

/** Thrown in the worker when it is told to stop; the main thread knows why. */
export class LinkAborted extends Error {}

/** Worker: throws LinkAborted if it shall stop. */
export function checkLink(state: LinkState): void {
  if (Atomics.load(state, ABORTED) !== 0) throw new LinkAborted('aborted')
}

/** Worker: waits until one more message may go on its way, and counts it. */
export function acquireMessage(state: LinkState): void {
  for (;;) {
    checkLink(state)
    const pending = Atomics.load(state, PENDING)
    if (pending < PENDING_MAX) break
    Atomics.wait(state, PENDING, pending)
  }
  Atomics.add(state, PENDING, 1)
}

/** An error in a form that keeps kind and code on its way between threads. */
export interface PackedError {
  readonly message: string
  readonly kind: ErrorKind | null
  readonly code: string | null
  readonly syscall: string
  readonly stack: string | undefined
  readonly cause: PackedError | null
}

export function packError(thrown: unknown): PackedError {
  const error = toError(thrown)
  const isOwn = error instanceof CairnError
  return {
    message: error.message,
    kind: isOwn ? error.kind : null,
    code: isOwn ? error.code : systemCode(error),
    syscall: String(Reflect.get(error, 'syscall') ?? ''),
    stack: error.stack,
    cause: error.cause === undefined ? null : packError(error.cause),
  }
}

export function unpackError(packed: PackedError): Error {
  const { message, kind, code, syscall, stack } = packed
  const cause = packed.cause === null ? undefined : unpackError(packed.cause)
  if (kind !== null && code !== null) return new CairnError(message, { kind, code, cause })
  const error = cause === undefined ? new Error(message) : new Error(message, { cause })
  if (stack !== undefined) error.stack = stack
  return code === null ? error : Object.assign(error, { code, syscall })
}
