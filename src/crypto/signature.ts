/** Signatures of manifests: HMAC-SHA256 over canonical bytes, as hex (formats.md 6.4). */
import { toHex } from '../base/hex.ts'
import type { CryptConfig } from './crypt-config.ts'

/** The signature of `message`: 64 lower-case hex characters. */
export function signBytes(crypt: CryptConfig, message: Uint8Array): string {
  return toHex(crypt.authTag(message))
}

/** Whether `signature` is that of `message`; the text is compared as it is, upper case is none. */
export function isSignatureOf(crypt: CryptConfig, signature: string, message: Uint8Array): boolean {
  return signature === signBytes(crypt, message)
}
