/** The path of a request before any routing (rest-api §1.1): limits, illegal parts, format. */
import type { OutputFormat } from './reply.ts'

/** Path and query together, without the question mark (bytes). */
const URL_SIZE_MAX = 3072

export type RequestPath =
  /** Below `/api2/{format}`; `path` starts with a slash, still percent-encoded, no empty parts. */
  | { readonly kind: 'api'; readonly format: OutputFormat; readonly path: string }
  /** Anything else: the web root. */
  | { readonly kind: 'file'; readonly path: string }
  /** Refused before authentication. */
  | { readonly kind: 'refused'; readonly status: number; readonly text: string }

/** What `url` (path and query as sent) asks for. */
export function parseRequestPath(url: string): RequestPath {
  const { path, query } = splitUrl(url)
  if (Buffer.byteLength(path) + Buffer.byteLength(query) > URL_SIZE_MAX) return refusal(414, '')
  const parts = path.split('/').filter((part) => part !== '')
  if (parts.some((part) => part.startsWith('.'))) {
    return refusal(400, 'path contains illegal components')
  }
  if (parts[0] !== 'api2') return { kind: 'file', path: parts.join('/') }
  const format = parts[1]
  if (format === undefined) return refusal(404, `invalid api path '/api2'`)
  if (format !== 'json' && format !== 'extjs') {
    return refusal(400, `Unsupported output format '${format}'.`)
  }
  return { kind: 'api', format, path: `/${parts.slice(2).join('/')}` }
}

/**
 * `url` without empty path components and with each component encoded anew, so that a router
 * finds it and never stumbles over a bad escape, which is taken literally here.
 */
export function normalisedUrl(url: string): string {
  const { path, query } = splitUrl(url)
  const parts = path.split('/').filter((part) => part !== '')
  const encoded = `/${parts.map((part) => encodeURIComponent(decodePercent(part))).join('/')}`
  return query === '' ? encoded : `${encoded}?${query}`
}

/** Path and query of `url`; the query without its question mark. */
export function splitUrl(url: string): { readonly path: string; readonly query: string } {
  const mark = url.indexOf('?')
  return mark < 0
    ? { path: url, query: '' }
    : { path: url.slice(0, mark), query: url.slice(mark + 1) }
}

function refusal(status: number, text: string): RequestPath {
  return { kind: 'refused', status, text }
}

/** Percent escapes to text; bytes that are not UTF-8 become U+FFFD. */
function decodePercent(part: string): string {
  if (!part.includes('%')) return part.isWellFormed() ? part : part.toWellFormed()
  const pieces = part.split(/%([0-9a-fA-F]{2})/)
  const bytes = pieces.map((piece, index) => Buffer.from(piece, index % 2 === 1 ? 'hex' : 'utf8'))
  return Buffer.concat(bytes).toString('utf8')
}
