/** The errors of `formats`. Texts that stock clients or operators read are stock's (formats.md). */
import { defineErrors } from '../base/define-errors.ts'

interface Text {
  readonly text: string
}
interface Sizes {
  readonly expected: number
  readonly actual: number
}

/** A text as stock prints it with its debug formatting. */
function quoted(text: string): string {
  return JSON.stringify(text)
}

export const errors = defineErrors({
  // Names (formats.md 9.2, cli.md)
  BACKUP_TYPE_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) =>
      `Cannot parse backup type ${quoted(text)}: expected 'vm', 'ct' or 'host'`,
  },
  BACKUP_ID_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) => `Cannot parse backup id ${quoted(text)}: not a safe name`,
  },
  STORE_NAME_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) =>
      `Cannot parse datastore name ${quoted(text)}: expected a safe name of 3 to 32 characters`,
  },
  GROUP_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) => `unable to parse backup group path '${text}'`,
  },
  SNAPSHOT_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) => `unable to parse backup snapshot path '${text}'`,
  },
  BACKUP_TIME_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) =>
      `failed to parse rfc3339 timestamp (${quoted(text)}) - not a time of the form YYYY-MM-DDTHH:MM:SSZ`,
  },
  BACKUP_TIME_OUT_OF_RANGE: {
    kind: 'Invalid',
    message: ({ seconds }: { readonly seconds: number }) =>
      `Cannot format backup time ${seconds}: not whole seconds of the years 0000 to 9999`,
  },
  NAMESPACE_COMPONENT_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) => `not a valid namespace component: ${text}`,
  },
  NAMESPACE_TOO_DEEP: {
    kind: 'Invalid',
    message: ({ depth, depthMax }: { readonly depth: number; readonly depthMax: number }) =>
      `namespace too deep, ${depth} >= max ${depthMax}`,
  },
  NAMESPACE_TOO_LONG: { kind: 'Invalid', message: () => 'namespace length exceeded' },
  ARCHIVE_TYPE_UNKNOWN: {
    kind: 'Invalid',
    message: ({ text }: Text) => `unknown archive type: ${quoted(text)}`,
  },
  ARCHIVE_NAME_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) => `failed to parse archive type for '${text}'`,
  },
  AUTH_ID_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) =>
      `Cannot parse authentication id ${quoted(text)}: expected user@realm or user@realm!token`,
  },
  USERID_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) => `Cannot parse user id ${quoted(text)}: expected user@realm`,
  },
  TOKEN_NAME_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) => `Cannot parse token name ${quoted(text)}: not a safe name`,
  },
  UPID_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) => `unable to parse UPID '${text}'`,
  },
  DIGEST_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) =>
      `Cannot parse digest ${quoted(text)}: expected 64 lower-case hex characters`,
  },
  CRYPT_MODE_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) =>
      `Cannot parse crypt mode ${quoted(text)}: expected 'none', 'encrypt' or 'sign-only'`,
  },

  // Data blobs (formats.md 1)
  BLOB_DATA_TOO_LARGE: {
    kind: 'Invalid',
    message: ({ size }: { readonly size: number }) => `data blob too large (${size} bytes).`,
  },
  BLOB_TOO_SMALL: {
    kind: 'Corrupt',
    message: ({ size }: { readonly size: number }) => `blob too small (${size} bytes).`,
  },
  ENCRYPTED_BLOB_TOO_SMALL: {
    kind: 'Corrupt',
    message: ({ size }: { readonly size: number }) => `encrypted blob too small (${size} bytes).`,
  },
  BLOB_MAGIC_WRONG: { kind: 'Corrupt', message: () => 'unable to parse raw blob - wrong magic' },
  BLOB_CRC_WRONG: { kind: 'Corrupt', message: () => 'Data blob has wrong CRC checksum.' },
  BLOB_KEY_MISSING: {
    kind: 'Denied',
    message: () => 'unable to decrypt blob - missing CryptConfig',
  },
  BLOB_DECOMPRESS_FAILED: {
    kind: 'Corrupt',
    message: ({ reason }: { readonly reason: string }) => reason,
  },
  BLOB_PLAIN_TOO_LARGE: {
    kind: 'Corrupt',
    message: ({ sizeMax }: { readonly sizeMax: number }) =>
      `Cannot decode blob: its content is larger than ${sizeMax} bytes`,
  },
  CHUNK_DIGEST_WRONG: { kind: 'Corrupt', message: () => 'detected chunk with wrong digest.' },
  CHUNK_LENGTH_WRONG: {
    kind: 'Corrupt',
    message: ({ expected, actual }: Sizes) =>
      `detected chunk with wrong length (${expected} != ${actual})`,
  },

  // Indexes (formats.md 4, 5)
  INDEX_TOO_SMALL: {
    kind: 'Corrupt',
    message: ({ size }: { readonly size: number }) => `index too small (${size})`,
  },
  INDEX_MAGIC_WRONG: { kind: 'Corrupt', message: () => 'got unknown magic number' },
  INDEX_CHUNK_SIZE_INVALID: {
    kind: 'Corrupt',
    message: ({ chunkSize }: { readonly chunkSize: number | bigint }) =>
      `got non-power-of-two chunk size: ${chunkSize}`,
  },
  INDEX_FILE_SIZE_WRONG: {
    kind: 'Corrupt',
    message: ({ expected, actual }: { readonly expected: bigint; readonly actual: number }) =>
      `got unexpected file size (${expected} != ${actual})`,
  },
  INDEX_SIZE_INVALID: { kind: 'Corrupt', message: () => 'invalid index size' },
  INDEX_BODY_SIZE_WRONG: { kind: 'Corrupt', message: () => 'got unexpected file size' },
  INDEX_EMPTY: { kind: 'Corrupt', message: () => 'mapped length must not be zero' },
  INDEX_END_NOT_ASCENDING: {
    kind: 'Corrupt',
    message: ({ index, end, previous }: { index: number; end: number; previous: number }) =>
      `Cannot decode dynamic index: chunk ${index} ends at ${end}, the one before at ${previous}`,
  },
  INDEX_END_TOO_LARGE: {
    kind: 'Unsupported',
    message: ({ end }: { readonly end: bigint }) =>
      `Cannot decode index: its size ${end} is more than this program can count`,
  },
  INDEX_POSITION_OUT_OF_RANGE: {
    kind: 'Invalid',
    message: ({ index, count }: { readonly index: number; readonly count: number }) =>
      `add digest failed - index out of range (${index} >= ${count})`,
  },
  INDEX_OFFSET_OUT_OF_RANGE: { kind: 'Invalid', message: () => 'offset out of range' },

  // Manifest (formats.md 6)
  MANIFEST_BLOB_INVALID: {
    kind: 'Corrupt',
    message: ({ reason }: { readonly reason: string }) =>
      `decode backup manifest blob failed - ${reason}`,
  },
  MANIFEST_JSON_INVALID: {
    kind: 'Corrupt',
    message: ({ reason }: { readonly reason: string }) =>
      `unable to parse backup manifest json - ${reason}`,
  },
  CANONICAL_JSON_NULL: { kind: 'Invalid', message: () => 'got unexpected null value' },
  CANONICAL_JSON_UNSUPPORTED: {
    kind: 'Invalid',
    message: ({ reason }: { readonly reason: string }) => `Cannot format canonical JSON: ${reason}`,
  },
  MANIFEST_KEY_WRONG: {
    kind: 'Denied',
    message: ({ expected, actual }: { readonly expected: string; readonly actual: string }) =>
      `wrong key - unable to verify signature since manifest's key ${expected} does not match provided key ${actual}`,
  },
  MANIFEST_SIGNATURE_WRONG: {
    kind: 'Corrupt',
    message: () => 'wrong signature in manifest',
  },
  MANIFEST_KEY_MISSING: {
    kind: 'Denied',
    message: ({ expected }: { readonly expected: string }) =>
      `missing key - manifest was created with key ${expected}`,
  },
  MANIFEST_KEY_MISMATCH: {
    kind: 'Denied',
    message: ({ expected, actual }: { readonly expected: string; readonly actual: string }) =>
      `wrong key - manifest's key ${expected} does not match provided key ${actual}`,
  },
  MANIFEST_FILE_MISSING: {
    kind: 'NotFound',
    message: ({ name }: { readonly name: string }) => `manifest does not contain file '${name}'`,
  },
  MANIFEST_FILE_SIZE_WRONG: {
    kind: 'Corrupt',
    message: ({ name, expected, actual }: Sizes & { readonly name: string }) =>
      `wrong size for file '${name}' (${expected} != ${actual})`,
  },
  MANIFEST_FILE_CSUM_WRONG: {
    kind: 'Corrupt',
    message: ({ name }: { readonly name: string }) => `wrong checksum for file '${name}'`,
  },
})
