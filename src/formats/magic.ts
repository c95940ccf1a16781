/** All magic numbers: the first 8 bytes of a file or blob (formats.md 0). */

/** SHA-256 of an ASCII label, cut to 8 bytes; written out so that a reader can search for them. */
export const UNCOMPRESSED_BLOB_MAGIC = magic('42ab3807be8370a1')
export const COMPRESSED_BLOB_MAGIC = magic('31b958426fb6a37f')
export const ENCRYPTED_BLOB_MAGIC = magic('7b6785be222d4cf0')
export const ENCRYPTED_COMPRESSED_BLOB_MAGIC = magic('e6591bbf0bbfd80b')
export const FIXED_INDEX_MAGIC = magic('2f7f41ed91fd0fcd')
export const DYNAMIC_INDEX_MAGIC = magic('1c914ea519bab3cd')
export const CATALOG_MAGIC = magic('91fd60f9c46758d5')

export const MAGIC_SIZE = 8

export interface BlobKind {
  readonly magic: Uint8Array
  readonly encrypted: boolean
  readonly compressed: boolean
}

/** The four kinds of blob. */
export const BLOB_KINDS: readonly BlobKind[] = Object.freeze([
  { magic: UNCOMPRESSED_BLOB_MAGIC, encrypted: false, compressed: false },
  { magic: COMPRESSED_BLOB_MAGIC, encrypted: false, compressed: true },
  { magic: ENCRYPTED_BLOB_MAGIC, encrypted: true, compressed: false },
  { magic: ENCRYPTED_COMPRESSED_BLOB_MAGIC, encrypted: true, compressed: true },
])

/** Whether `bytes` begin with `magic`. */
export function hasMagic(bytes: Uint8Array, magic: Uint8Array): boolean {
  if (bytes.length < MAGIC_SIZE) return false
  for (let index = 0; index < MAGIC_SIZE; index += 1) {
    if (bytes[index] !== magic[index]) return false
  }
  return true
}

/** The kind of blob that begins with these bytes, or null. */
export function blobKindOf(bytes: Uint8Array): BlobKind | null {
  return BLOB_KINDS.find((kind) => hasMagic(bytes, kind.magic)) ?? null
}

function magic(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'))
}
