/**
 * Errors to status and text, in this one place. NotFound is 404 and Denied 403, everything else
 * 400, because that is what stock answers (rest-api §1.3); an error whose wire status differs
 * carries it in `data.status`.
 */
import { CairnError, isAnySystemError, toError } from '../base/errors.ts'
import type { ParameterProblem } from '../protocol/errors.ts'
import {
  jsonBytes,
  JSON_CONTENT_TYPE,
  type OutputFormat,
  type ReplyHeaders,
  textBytes,
  type WireReply,
} from './reply.ts'

/** Lets the browser forget a ticket that is no longer good; sent with every 401. */
export const EXPIRED_COOKIE =
  '__Host-PBSAuthCookie=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; SameSite=Lax; HttpOnly; Path=/;'

const INTERNAL_TEXT = 'internal error'

/** HTTP status of `error`. A failure of ours that is no CairnError is 500. */
export function statusOf(error: unknown): number {
  if (!(error instanceof CairnError)) return isAnySystemError(error) ? 400 : 500
  const { status } = error.data
  if (typeof status === 'number') return status
  if (error.kind === 'NotFound') return 404
  return error.kind === 'Denied' ? 403 : 400
}

/** The text that the client sees: only the outermost message, nothing of our own failures. */
export function replyText(error: unknown): string {
  if (error instanceof CairnError) return error.message
  return isAnySystemError(error) ? systemErrorText(error) : INTERNAL_TEXT
}

/** `error` as an answer in `format`; `compressible` when the handler itself failed. */
export function errorReply(
  format: OutputFormat,
  error: unknown,
  options: { readonly compressible: boolean },
): WireReply {
  const status = statusOf(error)
  const { compressible } = options
  if (format === 'json') {
    return { status, headers: headersFor(status), body: textBytes(replyText(error)), compressible }
  }
  const problems = problemsOf(error)
  const message = problems === null ? replyText(error) : 'parameter verification errors'
  const errors = Object.fromEntries((problems ?? []).map(({ name, text }) => [name, text]))
  const body = jsonBytes({ errors, message, status, success: false })
  return { status: 200, headers: headersFor(200), body, compressible }
}

function headersFor(status: number): ReplyHeaders {
  const cookie = status === 401 ? { 'set-cookie': EXPIRED_COOKIE } : {}
  return { 'content-type': JSON_CONTENT_TYPE, ...cookie }
}

function problemsOf(error: unknown): readonly ParameterProblem[] | null {
  if (!(error instanceof CairnError) || error.code !== 'PARAMETERS_INVALID') return null
  return error.data['problems'] as readonly ParameterProblem[]
}

/** Node's `ENOENT: no such file or directory, open '/x'` in stock's words, without the path. */
function systemErrorText(error: NodeJS.ErrnoException): string {
  const described = /^([A-Z0-9]+): ([^,]*)/.exec(toError(error).message)
  if (described === null) return error.code ?? INTERNAL_TEXT
  const [, code = '', text = ''] = described
  return `${code}: ${text.charAt(0).toUpperCase()}${text.slice(1)}`
}
