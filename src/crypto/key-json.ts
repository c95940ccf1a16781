/** Small checks for the JSON of key files. */
import { errors } from './errors.ts'

export type JsonRecord = { readonly [key: string]: unknown }

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Bytes of standard, padded base64. Throws KEY_CONFIG_INVALID naming `key`. */
export function decodeBase64(value: unknown, key: string): Uint8Array {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'base64') : null
  // Node skips what it does not know: only what it would write itself is base64.
  if (bytes === null || bytes.toString('base64') !== value) {
    throw errors.KEY_CONFIG_INVALID({ reason: `expected base64 as '${key}'` })
  }
  return new Uint8Array(bytes)
}
