/** The errors of a bucket: the store's no, and no answer (datastore-semantics.md 19.2, races.md R-60). */
import { defineErrors } from '../../base/define-errors.ts'
import { CairnError, hasCode } from '../../base/errors.ts'

/** What an operator needs to find the request again. */
export interface S3Failure {
  /** What was tried: `put`, `get`, `list`, … */
  readonly operation: string
  /** Endpoint and bucket. */
  readonly place: string
  /** Null: the request is for the bucket as a whole. */
  readonly key: string | null
  /** As the store names it; null if it sent none. */
  readonly requestId: string | null
  /** What the store said, or what became of the connection. */
  readonly reason: string
  /** What to do about it. */
  readonly advice: string
  /** An attempt was given up without an answer: the store may still execute it. */
  readonly isLate: boolean
}

export const errors = defineErrors({
  S3_REFUSED: { kind: 'Denied', message: describe },
  S3_UNAVAILABLE: { kind: 'Io', message: describe },
  S3_KEY_TOO_LONG: {
    kind: 'Invalid',
    message: ({ length, limit }: { readonly length: number; readonly limit: number }) =>
      `Object key length of ${length} exceeds limit of ${limit}`,
  },
  S3_BODY_TOO_LARGE: {
    kind: 'Invalid',
    message: (data: { readonly key: string; readonly size: number; readonly sizeMax: number }) =>
      `Cannot transfer '${data.key}': ${data.size} bytes, at most ${data.sizeMax} fit into one request`,
  },
  /** Damaged in the store, not on the way: it sends the same wrong bytes again. */
  S3_CONTENT_WRONG: {
    kind: 'Corrupt',
    message: (data: {
      readonly place: string
      readonly key: string
      readonly expected: string
      readonly found: string
    }) =>
      `Cannot use '${data.key}' of ${data.place}: its content has MD5 ${data.found}, ` +
      `the store says ${data.expected}; the object is damaged in the store`,
  },
})

/** Whether `error` says that a request may still be executed by the store (races.md R-60). */
export function isLateError(error: unknown): boolean {
  return error instanceof CairnError && error.data['isLate'] === true
}

/** Whether `error` says nothing of an object: no answer, or none that is about it. */
export function isNoAnswer(error: unknown): error is CairnError {
  return hasCode(error, 'S3_REFUSED', 'S3_UNAVAILABLE')
}

function describe(failure: S3Failure): string {
  const thing = failure.key === null ? failure.place : `'${failure.key}' of ${failure.place}`
  const id = failure.requestId === null ? '' : ` (request ${failure.requestId})`
  return `Cannot ${failure.operation} ${thing}: ${failure.reason}${id}; ${failure.advice}`
}
