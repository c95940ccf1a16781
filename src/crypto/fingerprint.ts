/** The text form of fingerprints: hex bytes joined by `:` (formats.md 2). */
import { fromHex, toHex } from '../base/hex.ts'
import { errors } from './errors.ts'

export const FINGERPRINT_SIZE = 32
const SHORT_SIZE = 8

/** All bytes: `0e:ab:…`, 95 characters for 32 bytes. */
export function formatFingerprint(bytes: Uint8Array): string {
  return toHex(bytes).replace(/..(?!$)/g, '$&:')
}

/** The first eight bytes, as messages show them. */
export function formatShortFingerprint(bytes: Uint8Array): string {
  return formatFingerprint(bytes.subarray(0, SHORT_SIZE))
}

/** 32 bytes of a fingerprint's text, with or without colons; throws FINGERPRINT_INVALID. */
export function parseFingerprint(text: string): Uint8Array {
  const bytes = fromHex(text.replaceAll(':', ''))
  if (bytes === null || bytes.length !== FINGERPRINT_SIZE) {
    throw errors.FINGERPRINT_INVALID({ text })
  }
  return bytes
}
