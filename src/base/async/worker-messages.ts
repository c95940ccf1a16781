/** What a worker pool and its threads say to each other, errors included. */
import { CairnError, type ErrorData, type ErrorKind, toError } from '../errors.ts'

/** Pool to thread. */
export type ToWorker =
  | { readonly kind: 'task'; readonly task: unknown; readonly abortFlag: SharedArrayBuffer }
  | { readonly kind: 'abort' }

/** Thread to pool; `news` any number of times, then one of the others. */
export type FromWorker =
  | { readonly kind: 'news'; readonly news: unknown }
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'error'; readonly error: PackedError }

/** An error as plain data: cloning an Error would lose its class, code and data. */
export interface PackedError {
  readonly message: string
  readonly name: string
  readonly stack?: string | undefined
  readonly cause?: PackedError | undefined
  /** A CairnError's own fields. */
  readonly cairn?:
    | { kind: ErrorKind; code: string; data: ErrorData; retryable: boolean }
    | undefined
  /** Fields of a system error. */
  readonly system?:
    | { code: string; errno?: number | undefined; syscall?: string | undefined; path?: string }
    | undefined
}

/** Any thrown value as plain data. */
export function packError(thrown: unknown): PackedError {
  const error = toError(thrown)
  const base = { message: error.message, name: error.name, stack: error.stack }
  const cause = error.cause === undefined ? undefined : packError(error.cause)
  if (error instanceof CairnError) {
    const { kind, code, data, retryable } = error
    return { ...base, cause, cairn: { kind, code, data: plainData(data), retryable } }
  }
  const { code, errno, syscall, path } = error as NodeJS.ErrnoException
  if (typeof code !== 'string') return { ...base, cause }
  const place = path === undefined ? {} : { path }
  return { ...base, cause, system: { code, errno, syscall, ...place } }
}

/** The error that was packed, with its class, code and data. */
export function unpackError(packed: PackedError): Error {
  const cause = packed.cause === undefined ? undefined : unpackError(packed.cause)
  const options = cause === undefined ? {} : { cause }
  const error =
    packed.cairn === undefined
      ? new Error(packed.message, options)
      : new CairnError(packed.message, { ...packed.cairn, ...options })
  error.name = packed.name
  if (packed.stack !== undefined) error.stack = packed.stack
  return packed.system === undefined ? error : Object.assign(error, packed.system)
}

/** What of `data` can be sent: a value that cannot be cloned must not hide the error. */
function plainData(data: ErrorData): ErrorData {
  try {
    return structuredClone(data)
  } catch {
    return {}
  }
}
