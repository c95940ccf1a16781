/**
 * Blobs: the container of chunks and small files (formats.md 1). Trailing bytes belong to the payload.
 *
 * | offset | size | plain | encrypted |
 * |---|---|---|---|
 * | 0 | 8 | magic, says encrypted and compressed | likewise |
 * | 8 | 4 | CRC-32 of all after the header, u32 LE | likewise |
 * | 12 | 16 | payload … | IV |
 * | 28 | 16 | | GCM tag |
 * | 44 | | | payload … |
 *
 * The payload is the plain data or one zstd frame of it, then encrypted.
 */
import { crc32 } from 'node:zlib'

import { readU32le, writeU32le } from '../base/bytes.ts'
import type { Allocate } from '../base/buffer-pool.ts'
import type { CryptConfig } from '../crypto/crypt-config.ts'
import { IV_SIZE } from '../crypto/gcm.ts'
import { crc32InPool } from './crc32.ts'
import { errors } from './errors.ts'
import { BLOB_KINDS, blobKindOf } from './magic.ts'
import { compress, decompress, looksCompressible } from './zstd.ts'

export const BLOB_HEADER_SIZE = 12
export const ENCRYPTED_BLOB_HEADER_SIZE = 44
/** Plain bytes that one blob may hold; stock's encoder refuses more. */
export const BLOB_PLAIN_SIZE_MAX = 128 << 20
/** Plain bytes of a chunk. */
export const CHUNK_SIZE_MAX = 16 << 20
/** Encoded bytes of a chunk or of an uploaded blob. */
export const BLOB_SIZE_MAX = CHUNK_SIZE_MAX + ENCRYPTED_BLOB_HEADER_SIZE

const CRC_OFFSET = 8
const IV_OFFSET = 12
const TAG_OFFSET = IV_OFFSET + IV_SIZE

export interface BlobInfo {
  readonly encrypted: boolean
  readonly compressed: boolean
  readonly headerSize: 12 | 44
  /** The checksum it states; `checkBlobCrc` compares it. */
  readonly crc: number
}

export interface EncodeOptions {
  /** Encrypts with this key. */
  readonly crypt?: CryptConfig | null
  /** Tries to compress; the compressed form is taken only if it is shorter. */
  readonly compress: boolean
  /** Leaves the CRC zero: the server computes that of chunks itself (formats.md 1.2). Default false. */
  readonly omitCrc?: boolean
  /** Gives the memory for large parts that are made; of the heap by default. */
  readonly allocate?: Allocate | undefined
}

export interface DecodeOptions {
  readonly crypt?: CryptConfig | null
  /** Refuses content longer than this; default BLOB_PLAIN_SIZE_MAX. */
  readonly sizeMax?: number
  /** Compares the CRC first; default false, because who reads a whole file has done it. */
  readonly checkCrc?: boolean
  /** Gives the memory for large decompressed content; of the heap by default. */
  readonly allocate?: Allocate | undefined
}

/** Header and payload of a blob, to be sent or stored one after the other. */
export interface BlobParts {
  readonly header: Uint8Array
  readonly payload: Uint8Array
}

/** What the header says. Throws BLOB_TOO_SMALL, ENCRYPTED_BLOB_TOO_SMALL, BLOB_MAGIC_WRONG with stock's texts. */
export function inspectBlob(blob: Uint8Array): BlobInfo {
  if (blob.length < BLOB_HEADER_SIZE) throw errors.BLOB_TOO_SMALL({ size: blob.length })
  const kind = blobKindOf(blob)
  if (kind === null) throw errors.BLOB_MAGIC_WRONG({})
  if (kind.encrypted && blob.length < ENCRYPTED_BLOB_HEADER_SIZE) {
    throw errors.ENCRYPTED_BLOB_TOO_SMALL({ size: blob.length })
  }
  return {
    encrypted: kind.encrypted,
    compressed: kind.compressed,
    headerSize: kind.encrypted ? ENCRYPTED_BLOB_HEADER_SIZE : BLOB_HEADER_SIZE,
    crc: readU32le(blob, CRC_OFFSET),
  }
}

/** Compares the stated CRC with the payload's; returns what the header says. Throws BLOB_CRC_WRONG or as `inspectBlob`. */
export function checkBlobCrc(blob: Uint8Array): BlobInfo {
  const info = inspectBlob(blob)
  if (crc32(blob.subarray(info.headerSize)) !== info.crc) throw errors.BLOB_CRC_WRONG({})
  return info
}

/** Writes the CRC of its payload into the header of `blob`, in place. Throws as `inspectBlob`. */
export function sealBlobCrc(blob: Uint8Array): void {
  const { headerSize } = inspectBlob(blob)
  writeU32le(blob, CRC_OFFSET, crc32(blob.subarray(headerSize)))
}

/** As `checkBlobCrc`, computed in libuv's pool; `blob` must not change meanwhile. */
export async function checkBlobCrcInPool(blob: Uint8Array): Promise<BlobInfo> {
  const info = inspectBlob(blob)
  if ((await crc32InPool(blob.subarray(info.headerSize))) !== info.crc) {
    throw errors.BLOB_CRC_WRONG({})
  }
  return info
}

/** As `sealBlobCrc`, computed in libuv's pool; `blob` must not change meanwhile. */
export async function sealBlobCrcInPool(blob: Uint8Array): Promise<void> {
  const { headerSize } = inspectBlob(blob)
  writeU32le(blob, CRC_OFFSET, await crc32InPool(blob.subarray(headerSize)))
}

/**
 * The plain data. It may be a view of `blob` (borrowed); `blob` must not change meanwhile.
 * Throws BLOB_KEY_MISSING, DECRYPT_FAILED, BLOB_DECOMPRESS_FAILED, BLOB_PLAIN_TOO_LARGE, or as `inspectBlob`.
 */
export async function decodeBlob(
  blob: Uint8Array,
  options: DecodeOptions = {},
): Promise<Uint8Array> {
  const sizeMax = options.sizeMax ?? BLOB_PLAIN_SIZE_MAX
  const info = options.checkCrc === true ? await checkBlobCrcInPool(blob) : inspectBlob(blob)
  let payload = blob.subarray(info.headerSize)
  if (info.encrypted) {
    const { crypt } = options
    if (crypt === undefined || crypt === null) throw errors.BLOB_KEY_MISSING({})
    const iv = blob.subarray(IV_OFFSET, TAG_OFFSET)
    const tag = blob.subarray(TAG_OFFSET, ENCRYPTED_BLOB_HEADER_SIZE)
    payload = await crypt.decrypt(payload, { iv, tag })
  }
  if (info.compressed) {
    return await decompress(payload, { sizeMax, allocate: options.allocate })
  }
  if (payload.length > sizeMax) throw errors.BLOB_PLAIN_TOO_LARGE({ sizeMax })
  return payload
}

/** The blob of `plain` in one buffer, CRC included. Throws BLOB_DATA_TOO_LARGE. `plain` must not change meanwhile. */
export async function encodeBlob(plain: Uint8Array, options: EncodeOptions): Promise<Uint8Array> {
  const { header, payload } = await encodeBlobParts(plain, options)
  const isJoined =
    payload.buffer === header.buffer && payload.byteOffset === header.byteOffset + header.length
  const size = header.length + payload.length
  if (isJoined) return Buffer.from(header.buffer, header.byteOffset, size)
  const blob = Buffer.allocUnsafe(size)
  blob.set(header)
  blob.set(payload, header.length)
  return blob
}

/**
 * As `encodeBlob`, without the copy that joins them: the payload may be `plain` itself.
 * Compressed or encrypted parts lie side by side in one buffer already.
 */
export async function encodeBlobParts(
  plain: Uint8Array,
  options: EncodeOptions,
): Promise<BlobParts> {
  if (plain.length > BLOB_PLAIN_SIZE_MAX) throw errors.BLOB_DATA_TOO_LARGE({ size: plain.length })
  const crypt = options.crypt ?? null
  const headroom = crypt === null ? BLOB_HEADER_SIZE : 0
  const compressed =
    options.compress && looksCompressible(plain)
      ? await compress(plain, { headroom, allocate: options.allocate })
      : null
  const { omitCrc = false, allocate } = options
  const how = { encrypted: crypt !== null, compressed: compressed !== null, omitCrc }
  if (crypt !== null) {
    return await seal(await encryptParts(compressed ?? plain, crypt, allocate), how)
  }
  if (compressed === null) {
    return await seal({ header: new Uint8Array(BLOB_HEADER_SIZE), payload: plain }, how)
  }
  const header = compressed.subarray(0, BLOB_HEADER_SIZE)
  return await seal({ header, payload: compressed.subarray(BLOB_HEADER_SIZE) }, how)
}

async function encryptParts(
  content: Uint8Array,
  crypt: CryptConfig,
  allocate: Allocate = (size) => Buffer.allocUnsafe(size),
): Promise<BlobParts> {
  const blob = allocate(ENCRYPTED_BLOB_HEADER_SIZE + content.length)
  const header = blob.subarray(0, ENCRYPTED_BLOB_HEADER_SIZE)
  const payload = blob.subarray(ENCRYPTED_BLOB_HEADER_SIZE)
  const { iv, tag } = await crypt.encryptInto(payload, content)
  header.set(iv, IV_OFFSET)
  header.set(tag, TAG_OFFSET)
  return { header, payload }
}

/** Completes the header: magic and CRC. */
async function seal(
  parts: BlobParts,
  how: { readonly encrypted: boolean; readonly compressed: boolean; readonly omitCrc: boolean },
): Promise<BlobParts> {
  for (const kind of BLOB_KINDS) {
    const isIt = kind.encrypted === how.encrypted && kind.compressed === how.compressed
    if (isIt) parts.header.set(kind.magic)
  }
  writeU32le(parts.header, CRC_OFFSET, how.omitCrc ? 0 : await crc32InPool(parts.payload))
  return parts
}
