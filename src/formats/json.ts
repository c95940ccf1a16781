/**
 * JSON as stock writes it: object keys in ascending byte order at every level, numbers as they were read.
 *
 * `JSON.stringify` cannot do it: an object of JavaScript puts keys that look like numbers first, and forgets that 1
 * was written as 1.0 or how a number beyond 2^53 ended.
 */
import { errors } from './errors.ts'

/** What JSON text holds; a `JSON.rawJSON` object stands for a number that JavaScript cannot hold as written. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

export type JsonObject = { readonly [key: string]: JsonValue }

/** Of newer ECMAScript than the type checker's library. */
const { isRawJSON, rawJSON } = JSON as typeof JSON & {
  isRawJSON(this: void, value: unknown): boolean
  rawJSON(this: void, text: string): object
}

const SURROGATE = /[\uD800-\uDFFF]/

/** Stock's parser refuses deeper nesting too. */
const DEPTH_MAX = 128

/** A number that may look different after it was read; what looks so within a string costs time only. */
const MAY_CHANGE = /(?:^|[[,:\s])(?:-0|-?\d{16}|-?\d{1,15}[.eE])/

/** The value of JSON text. Throws SyntaxError, or RangeError for nesting deeper than 128. */
export function parseJson(text: string): JsonValue {
  const isPlain = !MAY_CHANGE.test(text)
  const value = (isPlain ? JSON.parse(text) : JSON.parse(text, keepNumber)) as JsonValue
  checkDepth(value, 0)
  return value
}

/** Indented by two spaces, without line end: the form of stored manifests. */
export function formatPrettyJson(value: JsonValue): string {
  return formatIndented(value, '\n')
}

/** Entries of `object`, keys in ascending order of their UTF-8 bytes. */
export function sortedEntries(object: JsonObject): [string, JsonValue][] {
  const entries = Object.entries(object)
  if (entries.length < 2) return entries
  // Code units come in the order of the bytes, surrogates apart.
  const isPlain = !entries.some(([key]) => SURROGATE.test(key))
  return entries.sort(([a], [b]) => (isPlain ? compareText(a, b) : compareBytes(a, b)))
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawJSON(value)
}

/** A scalar as text; null for arrays and objects. Throws CANONICAL_JSON_UNSUPPORTED for what JSON has not. */
export function formatScalar(value: JsonValue): string | null {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw errors.CANONICAL_JSON_UNSUPPORTED({ reason: `${value} is no JSON number` })
  }
  const isScalar = typeof value !== 'object' || value === null || isRawJSON(value)
  return isScalar ? JSON.stringify(value) : null
}

function formatIndented(value: JsonValue, lineStart: string): string {
  const scalar = formatScalar(value)
  if (scalar !== null) return scalar
  const inner = `${lineStart}  `
  if (!isJsonObject(value)) {
    const items = (value as readonly JsonValue[]).map((item) => formatIndented(item, inner))
    return items.length === 0 ? '[]' : `[${inner}${items.join(`,${inner}`)}${lineStart}]`
  }
  const members = sortedEntries(value).map(
    ([key, item]) => `${JSON.stringify(key)}: ${formatIndented(item, inner)}`,
  )
  return members.length === 0 ? '{}' : `{${inner}${members.join(`,${inner}`)}${lineStart}}`
}

function keepNumber(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source
  if (typeof value !== 'number' || source === undefined) return value
  return String(value) === source ? value : rawJSON(source)
}

function checkDepth(value: JsonValue, depth: number): void {
  if (typeof value !== 'object' || value === null) return
  if (depth >= DEPTH_MAX) throw new RangeError('recursion limit exceeded')
  for (const item of Object.values(value)) checkDepth(item, depth + 1)
}
