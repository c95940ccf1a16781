/** The signature of a manifest and the key it was made with (formats.md 6.4, 6.5). */
import type { CryptConfig } from '../crypto/crypt-config.ts'
import {
  formatFingerprint,
  formatShortFingerprint,
  parseFingerprint,
} from '../crypto/fingerprint.ts'
import { isSignatureOf, signBytes } from '../crypto/signature.ts'
import { canonicalJson } from './canonical-json.ts'
import { errors } from './errors.ts'
import { type Manifest, manifestToJson } from './manifest.ts'

const KEY_FINGERPRINT = 'key-fingerprint'

/** The bytes that are signed: the manifest without `signature` and `unprotected`. Throws as `canonicalJson`. */
export function signedBytes(manifest: Manifest): Uint8Array {
  const { signature: _, unprotected: __, ...signed } = manifestToJson(manifest)
  return canonicalJson(signed)
}

/** The manifest with its signature and the fingerprint of the key, which belong together. */
export function signManifest(manifest: Manifest, crypt: CryptConfig): Manifest {
  return {
    ...manifest,
    signature: signBytes(crypt, signedBytes(manifest)),
    unprotected: {
      ...manifest.unprotected,
      [KEY_FINGERPRINT]: formatFingerprint(crypt.fingerprint),
    },
  }
}

/** The fingerprint of the key the manifest was made with, 32 bytes; null if it names none or none that parses. */
export function manifestFingerprint(manifest: Manifest): Uint8Array | null {
  const text = manifest.unprotected[KEY_FINGERPRINT]
  if (typeof text !== 'string') return null
  try {
    return parseFingerprint(text)
  } catch {
    return null
  }
}

/**
 * Verifies the signature with our key. Returns whether there is one: an unsigned manifest passes, as in stock.
 * Throws MANIFEST_KEY_WRONG, MANIFEST_SIGNATURE_WRONG with stock's texts.
 */
export function checkManifestSignature(manifest: Manifest, crypt: CryptConfig): boolean {
  if (manifest.signature === null) return false
  const stated = manifestFingerprint(manifest)
  if (stated !== null && !isSame(stated, crypt.fingerprint)) {
    throw errors.MANIFEST_KEY_WRONG(shortNames(stated, crypt))
  }
  if (!isSignatureOf(crypt, manifest.signature, signedBytes(manifest))) {
    throw errors.MANIFEST_SIGNATURE_WRONG({})
  }
  return true
}

/**
 * Whether our key (null: we have none) is the one the manifest was made with.
 * Throws MANIFEST_KEY_MISSING, MANIFEST_KEY_MISMATCH with stock's texts.
 */
export function checkManifestFingerprint(manifest: Manifest, crypt: CryptConfig | null): void {
  const stated = manifestFingerprint(manifest)
  if (stated === null) return
  if (crypt === null) {
    throw errors.MANIFEST_KEY_MISSING({ expected: formatShortFingerprint(stated) })
  }
  if (!isSame(stated, crypt.fingerprint)) {
    throw errors.MANIFEST_KEY_MISMATCH(shortNames(stated, crypt))
  }
}

function shortNames(stated: Uint8Array, crypt: CryptConfig): { expected: string; actual: string } {
  return {
    expected: formatShortFingerprint(stated),
    actual: formatShortFingerprint(crypt.fingerprint),
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
