/** Descriptors of configuration files that hold one JSON object (`shadow.json`, `token.shadow`, `tfa.json`). */
import type { ConfigFile } from './config-files.ts'

export type JsonObject = Readonly<Record<string, unknown>>

/** A file of one JSON object without line end at its end; `indent` spaces, 0 = compact. */
export function jsonFile(options: {
  readonly name: string
  readonly mode: number
  readonly indent: number
}): ConfigFile<JsonObject> {
  return Object.freeze({
    name: options.name,
    lockName: `${options.name}.lock`,
    mode: options.mode,
    parse: parseObject,
    format: (value: JsonObject) =>
      new TextEncoder().encode(JSON.stringify(value, undefined, options.indent)),
  })
}

/** `object` with members set, or removed where the value is undefined; the order of the others stays. */
export function withMembers(
  object: JsonObject,
  members: Readonly<Record<string, unknown>>,
): JsonObject {
  const entries = Object.entries({ ...object, ...members })
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}

/** The member `key` if it is an own one. */
export function memberOf(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

/** Whether `value` is a JSON object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseObject(bytes: Uint8Array): JsonObject {
  const text = new TextDecoder().decode(bytes)
  if (text.trim() === '') return {}
  const value: unknown = parseWithoutEcho(text)
  if (!isJsonObject(value)) throw new Error('not a JSON object')
  return value
}

/** The parser's own message quotes the text, which holds secrets. */
function parseWithoutEcho(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('not valid JSON')
  }
}
