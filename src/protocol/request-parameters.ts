/**
 * Where the parameters of one request lie (backup-protocol §3.2, rest-api §1.4): form and query,
 * or a JSON body, chosen by the content type. Path parameters join either.
 */
import type { Static, TObject } from 'typebox'
import { errors } from './errors.ts'
import { parseJsonBody } from './json-body.ts'
import { validate } from './parameters.ts'
import { describeBadUtf8 } from './utf8.ts'

/** Largest body that carries parameters (bytes, exclusive), as stock since 3.4.0. */
export const PARAMETER_BODY_SIZE_MAX = 524_288

export interface RequestParts {
  /** The `content-type` header as sent; undefined if there is none. */
  readonly contentType: string | undefined
  /** Query string without the question mark. */
  readonly query: string
  readonly body: Uint8Array
  /** Decoded path parameters. */
  readonly path?: Readonly<Record<string, string>>
}

const FORM = 'application/x-www-form-urlencoded'
const JSON_TYPE = 'application/json'
/** Added by browsers against caches; dropped silently. */
const CACHE_BUSTER = '_dc'

/**
 * Typed parameters of a REST call. Errors: those of `validate`, CONTENT_TYPE_UNSUPPORTED,
 * BODY_TOO_LARGE, PARAMETERS_UNREADABLE (not UTF-8, not JSON).
 */
export function parseParameters<Schema extends TObject>(
  schema: Schema,
  parts: RequestParts,
): Static<Schema> {
  const mediaType = parts.contentType?.split(';', 1)[0]
  if (mediaType === undefined || mediaType === FORM) {
    return validate(schema, 'form', allPairs(decodeBody(parts.body), parts))
  }
  if (mediaType !== JSON_TYPE) {
    throw errors.CONTENT_TYPE_UNSUPPORTED({ contentType: parts.contentType ?? '' })
  }
  const text = decodeBody(parts.body)
  const body = text === '' ? {} : parseJsonBody(text)
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body)
  return validate(schema, 'json', isObject ? { ...body, ...parts.path } : body)
}

/** Typed parameters of a call whose body is data: query and path only. */
export function parseQueryParameters<Schema extends TObject>(
  schema: Schema,
  parts: Pick<RequestParts, 'query' | 'path'>,
): Static<Schema> {
  return validate(schema, 'form', allPairs('', parts))
}

/**
 * One by one: who finds them too wrong need not look at the rest. Each is parsed by itself, because
 * Node takes the square of the time for many without a value; the `&` keeps a question mark.
 */
function* allPairs(
  body: string,
  { query, path }: Pick<RequestParts, 'query' | 'path'>,
): Generator<readonly [string, string]> {
  for (const text of [...body.split('&'), ...query.split('&')]) {
    for (const pair of new URLSearchParams(`&${text}`)) if (pair[0] !== CACHE_BUSTER) yield pair
  }
  yield* Object.entries(path ?? {})
}

function decodeBody(body: Uint8Array): string {
  if (body.length >= PARAMETER_BODY_SIZE_MAX) {
    throw errors.BODY_TOO_LARGE({ sizeMax: PARAMETER_BODY_SIZE_MAX })
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    const text = `Request body not uft8: ${describeBadUtf8(body)}`
    throw errors.PARAMETERS_UNREADABLE({ text })
  }
}
