/** Property strings: `key=value,key2="a, b"`, one key possibly without its name. Source: rest-api.md 1.4. */
import { errors } from './errors.ts'

const PLAIN = /^[^",\\]*$/

/**
 * The properties of `text` in order; a value without key belongs to `defaultKey`.
 * Errors: PROPERTY_STRING with stock's texts.
 */
export function parsePropertyString(text: string, defaultKey?: string): Map<string, string> {
  const properties = new Map<string, string>()
  for (const item of splitItems(text)) {
    if (item === '') continue
    const equals = keyEnd(item)
    const key = equals < 0 ? defaultKey : item.slice(0, equals).trim()
    if (key === undefined) {
      throw errors.PROPERTY_STRING({
        reason: 'value without key, but schema does not define a default key',
      })
    }
    if (properties.has(key)) throw errors.PROPERTY_STRING({ reason: `'${key}': duplicate key` })
    properties.set(key, unquote(item.slice(equals + 1).trim()))
  }
  return properties
}

/** The text of `properties`; the default key comes first and without its name. */
export function formatPropertyString(
  properties: Iterable<readonly [string, string]>,
  defaultKey?: string,
): string {
  const items: string[] = []
  for (const [key, value] of properties) {
    const text = PLAIN.test(value) ? value : `"${value.replaceAll(/["\\]/g, '\\$&')}"`
    if (key === defaultKey) items.unshift(text)
    else items.push(`${key}=${text}`)
  }
  return items.join(',')
}

/** A stored boolean, or null if `text` is none. */
export function parseBoolean(text: string): boolean | null {
  if (/^(?:1|on|yes|true)$/i.test(text)) return true
  return /^(?:0|off|no|false)$/i.test(text) ? false : null
}

function keyEnd(item: string): number {
  const equals = item.indexOf('=')
  const quote = item.indexOf('"')
  return quote >= 0 && quote < equals ? -1 : equals
}

function splitItems(text: string): string[] {
  const items: string[] = []
  let quoted = false
  let start = 0
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index]
    if (quoted && character === '\\') index += 1
    else if (character === '"') quoted = !quoted
    else if (character === ',' && !quoted) {
      items.push(text.slice(start, index).trim())
      start = index + 1
    }
  }
  if (quoted) throw errors.PROPERTY_STRING({ reason: 'unterminated quoted value' })
  items.push(text.slice(start).trim())
  return items
}

function unquote(value: string): string {
  if (!value.startsWith('"') || !value.endsWith('"') || value.length < 2) return value
  return value.slice(1, -1).replaceAll(/\\(.)/g, '$1')
}
