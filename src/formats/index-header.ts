/**
 * The part of an index header that both kinds share (formats.md 4.1, 5.1).
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 8 | magic |
 * | 8 | 16 | uuid |
 * | 24 | 8 | creation time, i64 LE, Unix seconds |
 * | 32 | 32 | checksum of the entries |
 */
import { INDEX_HEADER_SIZE, INDEX_UUID_SIZE, type IndexIdentity } from './archive-index.ts'
import { DIGEST_SIZE } from './digest.ts'
import { errors } from './errors.ts'
import { hasMagic } from './magic.ts'

const UUID_OFFSET = 8
const CREATED_AT_OFFSET = 24
/** Where writers patch the checksum in when they close. */
export const INDEX_CSUM_OFFSET = 32
export const INDEX_COMMON_HEADER_SIZE = INDEX_CSUM_OFFSET + DIGEST_SIZE

export interface IndexHeader extends IndexIdentity {
  /** 32 bytes, borrowed. */
  readonly csum: Uint8Array
}

/** Reads the common fields; `uuid` and `csum` are views. Throws INDEX_TOO_SMALL, INDEX_MAGIC_WRONG. */
export function decodeIndexHeader(bytes: Uint8Array, magic: Uint8Array): IndexHeader {
  if (bytes.length < INDEX_HEADER_SIZE) throw errors.INDEX_TOO_SMALL({ size: bytes.length })
  if (!hasMagic(bytes, magic)) throw errors.INDEX_MAGIC_WRONG({})
  return {
    uuid: bytes.subarray(UUID_OFFSET, UUID_OFFSET + INDEX_UUID_SIZE),
    // Informative only, so what no number can hold need not be refused.
    createdAt: Number(viewOf(bytes).getBigInt64(CREATED_AT_OFFSET, true)),
    csum: bytes.subarray(INDEX_CSUM_OFFSET, INDEX_COMMON_HEADER_SIZE),
  }
}

/** A header of 4096 bytes with the common fields set. */
export function encodeIndexHeader(magic: Uint8Array, header: IndexHeader): Uint8Array {
  if (header.uuid.length !== INDEX_UUID_SIZE || header.csum.length !== DIGEST_SIZE) {
    throw new RangeError('an index has a uuid of 16 and a checksum of 32 bytes')
  }
  const bytes = new Uint8Array(INDEX_HEADER_SIZE)
  bytes.set(magic)
  bytes.set(header.uuid, UUID_OFFSET)
  viewOf(bytes).setBigInt64(CREATED_AT_OFFSET, BigInt(header.createdAt), true)
  bytes.set(header.csum, INDEX_CSUM_OFFSET)
  return bytes
}

/** A DataView of `bytes`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Throws RangeError if `index` is no position of `count` entries: a bug of the caller. */
export function checkPosition(index: number, count: number): void {
  if (!Number.isInteger(index) || index < 0 || index >= count) {
    throw new RangeError(`no chunk ${index} in an index of ${count}`)
  }
}
