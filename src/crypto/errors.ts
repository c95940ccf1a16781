/** The errors of `crypto`. Texts that stock clients print are stock's (formats.md 7). */
import { defineErrors } from '../base/define-errors.ts'

interface Reason {
  readonly reason: string
}

export const errors = defineErrors({
  KEY_SIZE_WRONG: {
    kind: 'Invalid',
    message: ({ size }: { readonly size: number }) =>
      `Cannot use encryption key: it has ${size} bytes, expected 32`,
  },
  KEY_CONFIG_INVALID: {
    kind: 'Corrupt',
    message: ({ reason }: Reason) => `Cannot parse key file: ${reason}`,
  },
  KEY_PASSPHRASE_TOO_SHORT: { kind: 'Invalid', message: () => 'Passphrase is too short!' },
  KEY_DATA_SHORT: { kind: 'Corrupt', message: () => 'Unable to decrypt key - short data' },
  KEY_DECRYPT_FAILED: {
    kind: 'Denied',
    message: ({ hint }: { readonly hint: string | null }) =>
      hint === null
        ? 'Unable to decrypt key (wrong password?) - OpenSSL error'
        : `Unable to decrypt key (password hint: ${hint})`,
  },
  KEY_FINGERPRINT_WRONG: {
    kind: 'Corrupt',
    message: ({ stored, actual }: { readonly stored: string; readonly actual: string }) =>
      `KeyConfig contains wrong fingerprint ${stored}, contained key has fingerprint ${actual}`,
  },
  KEY_KDF_MISSING: {
    kind: 'Invalid',
    message: () => 'No key derivation function specified',
  },
  KEY_KDF_TOO_COSTLY: {
    kind: 'Unsupported',
    message: ({ reason }: Reason) => `Cannot unlock key file: ${reason}`,
  },
  KEY_HINT_NOT_ALLOWED: {
    kind: 'Invalid',
    message: () => 'password hint not allowed for Kdf::None',
  },
  KEY_HINT_INVALID: {
    kind: 'Invalid',
    message: ({ reason }: Reason) => `Cannot use password hint: ${reason}`,
  },
  FINGERPRINT_INVALID: {
    kind: 'Invalid',
    message: ({ text }: { readonly text: string }) =>
      `Cannot parse fingerprint '${text}': expected 32 hex bytes joined by ':'`,
  },
  DECRYPT_FAILED: {
    kind: 'Corrupt',
    message: () =>
      'Cannot decrypt data: the authentication tag does not match (wrong key or damaged data)',
  },
  MASTER_KEY_INVALID: {
    kind: 'Invalid',
    message: ({ reason }: Reason) => `Cannot read RSA key: ${reason}`,
  },
  MASTER_KEY_TOO_SMALL: {
    kind: 'Invalid',
    message: ({ size, sizeMax }: { readonly size: number; readonly sizeMax: number }) =>
      `Cannot encrypt key with RSA: ${size} bytes, this master key takes at most ${sizeMax}`,
  },
  MASTER_KEY_DECRYPT_FAILED: {
    kind: 'Denied',
    message: ({ reason }: Reason) => `failed to decrypt KeyConfig using RSA - ${reason}`,
  },
})
