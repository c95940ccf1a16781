/** The one error hierarchy: callers branch on eight kinds, people search for codes. */

export type ErrorKind =
  | 'NotFound'
  | 'Invalid'
  | 'Denied'
  | 'Conflict'
  | 'Corrupt'
  | 'Unsupported'
  | 'Io'
  | 'Protocol'

export type ErrorData = Readonly<Record<string, unknown>>

export interface CairnErrorOptions {
  readonly kind: ErrorKind
  readonly code: string
  readonly data?: ErrorData
  readonly cause?: unknown
  /** Whether trying again can help; decided where the error is born. Only Io and Protocol set it. */
  readonly retryable?: boolean
}

export class CairnError extends Error {
  readonly kind: ErrorKind
  readonly code: string
  readonly data: ErrorData
  readonly retryable: boolean

  constructor(message: string, options: CairnErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'CairnError'
    this.kind = options.kind
    this.code = options.code
    this.data = options.data ?? {}
    this.retryable = options.retryable ?? false
  }
}

/** Whether `error` is a CairnError with one of `codes`. */
export function hasCode(error: unknown, ...codes: readonly string[]): error is CairnError {
  return error instanceof CairnError && codes.includes(error.code)
}

/** Whether `error` is an error of the operating system with one of `codes` (`ENOENT`, …); never, if there are none. */
export function isSystemError(
  error: unknown,
  ...codes: readonly string[]
): error is NodeJS.ErrnoException {
  if (!(error instanceof Error) || !('code' in error)) return false
  return typeof error.code === 'string' && codes.includes(error.code)
}

/** Whether `error` came from the operating system, whatever its code. */
export function isAnySystemError(error: unknown): error is NodeJS.ErrnoException {
  // Other errors of Node have codes and numbers, too; only those of system calls name one.
  return error instanceof Error && 'code' in error && 'syscall' in error
}

/** Any thrown value as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

/** The messages of `error` and its causes, outermost first, joined by `: `. */
export function errorChain(thrown: unknown): string {
  const messages: string[] = []
  for (let error: unknown = thrown; error !== undefined; ) {
    const { message, cause } = toError(error)
    messages.push(message)
    error = cause
  }
  return messages.join(': ')
}
