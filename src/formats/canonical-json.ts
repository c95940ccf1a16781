/** The byte form of JSON that is signed: sorted keys, no whitespace, no null (formats.md 6.4). */
import { errors } from './errors.ts'
import { formatScalar, isJsonObject, type JsonValue, sortedEntries } from './json.ts'

/** Numbers beyond 2^53 are written as they were read. */
const INTEGER = /^-?(?:0|[1-9][0-9]*)$/

/** UTF-8 bytes of `value`. Throws CANONICAL_JSON_NULL, CANONICAL_JSON_UNSUPPORTED (a number that is no integer). */
export function canonicalJson(value: JsonValue): Uint8Array {
  return Buffer.from(format(value))
}

function format(value: JsonValue): string {
  if (value === null) throw errors.CANONICAL_JSON_NULL({})
  const scalar = formatScalar(value)
  if (scalar !== null) {
    const isNumber = typeof value !== 'string' && typeof value !== 'boolean'
    if (isNumber && !INTEGER.test(scalar)) {
      throw errors.CANONICAL_JSON_UNSUPPORTED({ reason: `${scalar} is no integer` })
    }
    return scalar
  }
  if (!isJsonObject(value)) return `[${(value as readonly JsonValue[]).map(format).join(',')}]`
  const members = sortedEntries(value).map(
    ([key, item]) => `${JSON.stringify(key)}:${format(item)}`,
  )
  return `{${members.join(',')}}`
}
