/** The byte form of JSON that is signed: sorted keys, no whitespace, no null (formats.md 6.4). */
import { errors } from './errors.ts'
import { formatScalar, isJsonObject, type JsonValue, sortedEntries } from './json.ts'

/** UTF-8 bytes of `value`. Throws CANONICAL_JSON_NULL, CANONICAL_JSON_UNSUPPORTED (a number that is no integer). */
export function canonicalJson(value: JsonValue): Uint8Array {
  return Buffer.from(format(value))
}

function format(value: JsonValue): string {
  if (value === null) throw errors.CANONICAL_JSON_NULL({})
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw errors.CANONICAL_JSON_UNSUPPORTED({ reason: `${value} is no exact integer` })
  }
  const scalar = formatScalar(value)
  if (scalar !== null) return scalar
  if (!isJsonObject(value)) return `[${(value as readonly JsonValue[]).map(format).join(',')}]`
  const members = sortedEntries(value).map(
    ([key, item]) => `${JSON.stringify(key)}:${format(item)}`,
  )
  return `{${members.join(',')}}`
}
