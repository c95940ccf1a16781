/**
 * What a failed attempt means: a definite answer, one that may pass, or none at all (datastore-semantics.md 19.2,
 * races.md ).
 *
 * An attempt is late if the store may still execute it: no answer came although the request may have left, or a part of
 * the store answered for another that it did not hear of (500, 502, 504). "Slow down" is a definite no.
 */
import { hasCode, toError } from '../../base/errors.ts'
import { adviceFor, ADVICE_LATER, ADVICE_TRUST } from './advice.ts'

export interface Failure {
  /**
   * 'absent': no such object. 'unmet': the condition of a PUT does not hold. 'conflict': another conditional PUT is in
   * progress. 'again': may pass. 'refused': will not.
   */
  readonly kind: 'absent' | 'unmet' | 'conflict' | 'again' | 'refused'
  readonly isLate: boolean
  /** The store's code, or the status, or what became of the connection. */
  readonly code: string
  readonly requestId: string | null
  /** What the store asked for (`Retry-After`); null if it said nothing. */
  readonly retryAfterMs: number | null
  readonly reason: string
  readonly advice: string
  /** Only of a connection: what the store's library says holds more than may be logged. */
  readonly cause: Error | undefined
}

/** The parts of the library's errors that are used. */
interface Answered {
  readonly name?: string
  readonly Code?: string
  readonly message?: string
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
}

/** Codes of "not now": nothing was done. */
const THROTTLED = new Set([
  'SlowDown',
  'ServiceUnavailable',
  'Throttling',
  'ThrottlingException',
  'RequestLimitExceeded',
  'TooManyRequests',
  'TooManyRequestsException',
  'BandwidthLimitExceeded',
  'XMinioServerNotInitialized',
])
/** The body did not arrive as it was sent: nothing was stored. */
const BODY_DAMAGED = new Set([
  'BadDigest',
  'IncompleteBody',
  'RequestTimeout',
  'XAmzContentSHA256Mismatch',
])
/** Codes of 5xx answers that no repetition changes. */
const NEVER = new Set(['NotImplemented', 'XMinioStorageFull', 'InsufficientStorage'])
/** Errors of the system before a connection stands. */
const NEVER_CONNECTED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EMFILE',
])
const SECOND_MS = 1_000

/** What `error`, thrown by one attempt, means. `nowMs`: wall time, for a `Retry-After` that is a date. */
export function explainFailure(error: unknown, nowMs: number): Failure {
  const answered = error as Answered
  const status = answered.$metadata?.httpStatusCode
  return status === undefined ? explainConnection(error) : explainAnswer(answered, status, nowMs)
}

function explainAnswer(error: Answered, status: number, nowMs: number): Failure {
  const headers = error.$response?.headers ?? {}
  const code = codeOf(error, status)
  return {
    ...judge(code, status),
    code,
    requestId: error.$metadata?.requestId ?? headers['x-amz-request-id'] ?? null,
    retryAfterMs: parseRetryAfter(headers['retry-after'], nowMs),
    reason: reasonOf(error, code, status),
    advice: adviceFor(code, status, headers['x-amz-bucket-region']),
    cause: undefined,
  }
}

/** The table of answers, top to bottom. */
function judge(code: string, status: number): Pick<Failure, 'kind' | 'isLate'> {
  if (status === 404 && (code === 'NoSuchKey' || code === 'NotFound')) return definite('absent')
  if (status === 412) return definite('unmet')
  if (status === 409) return definite('conflict')
  if (status === 429 || THROTTLED.has(code) || BODY_DAMAGED.has(code)) return definite('again')
  if (NEVER.has(code)) return definite('refused')
  if (status >= 500) return { kind: 'again', isLate: true }
  // An answer that was cut, or that is none of this protocol: what was asked may have been done.
  if (status < 300) return { kind: 'again', isLate: true }
  return definite('refused')
}

function definite(kind: Failure['kind']): Pick<Failure, 'kind' | 'isLate'> {
  return { kind, isLate: false }
}

function codeOf({ Code, name }: Answered, status: number): string {
  if (Code !== undefined && Code !== '') return Code
  const isTelling = name !== undefined && !['', 'Error', 'Unknown', 'SyntaxError'].includes(name)
  return isTelling ? name : String(status)
}

function reasonOf({ message = '' }: Answered, code: string, status: number): string {
  // The library's own words tell an operator nothing.
  const text = message.split('\n')[0] ?? ''
  const said = ['', 'UnknownError', code].includes(text) ? '' : `: ${text}`
  return code === String(status) ? `answered ${status}${said}` : `${code} (${status})${said}`
}

/** No answer. What failed before the connection stood was never sent. */
function explainConnection(thrown: unknown): Failure {
  const error = toError(thrown)
  const base = { requestId: null, retryAfterMs: null, reason: error.message, cause: error }
  if (hasCode(error, 'TLS_FINGERPRINT_REFUSED')) {
    return { ...base, ...definite('refused'), code: error.code, advice: ADVICE_TRUST }
  }
  const code = 'code' in error ? String(error.code) : error.name
  return { ...base, kind: 'again', isLate: !wasNeverSent(error, code), code, advice: ADVICE_LATER }
}

function wasNeverSent(error: Error, code: string): boolean {
  if (hasCode(error, 'CONNECT_FAILED', 'CONNECT_TIMED_OUT') || NEVER_CONNECTED.has(code))
    return true
  return (
    ('syscall' in error && error.syscall === 'connect') ||
    error.message.includes('did not establish a connection') ||
    error.message.includes('before secure TLS connection was established')
  )
}

/** `Retry-After`: seconds, or a date. */
function parseRetryAfter(text: string | undefined, nowMs: number): number | null {
  if (text === undefined) return null
  const seconds = Number(text)
  if (Number.isFinite(seconds)) return Math.max(0, seconds * SECOND_MS)
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs)
}
