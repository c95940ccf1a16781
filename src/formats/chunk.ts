/** Chunks: blobs stored under the digest of their plain data (formats.md 1.5 and 2). */
import type { Allocate } from '../base/buffer-pool.ts'
import type { CryptConfig } from '../crypto/crypt-config.ts'
import {
  type BlobParts,
  CHUNK_SIZE_MAX,
  decodeBlob,
  type EncodeOptions,
  encodeBlob,
  encodeBlobParts,
  inspectBlob,
} from './data-blob.ts'
import { type Digest, parseDigest, sha256 } from './digest.ts'
import { errors } from './errors.ts'

export interface EncodedChunk {
  readonly digest: Digest
  readonly blob: Uint8Array
}

export interface DecodeChunkOptions {
  readonly digest: Digest
  /** The length it must have; not compared if absent. */
  readonly size?: number
  readonly crypt?: CryptConfig | null
  /** Gives the memory for large decompressed data; of the heap by default. */
  readonly allocate?: Allocate | undefined
}

/** Digest of a chunk with this plain data, whole or in parts: keyed if it is encrypted. It must not change meanwhile. */
export async function chunkDigest(
  plain: Uint8Array | readonly Uint8Array[],
  crypt: CryptConfig | null = null,
): Promise<Digest> {
  return crypt === null ? await sha256(plain) : parseDigest(await crypt.digestOf(plain))
}

/** Digest and blob of `plain`, both at once. `plain` must not change meanwhile. */
export async function encodeChunk(
  plain: Uint8Array,
  options: EncodeOptions,
): Promise<EncodedChunk> {
  const [digest, blob] = await Promise.all([
    chunkDigest(plain, options.crypt ?? null),
    encodeBlob(plain, options),
  ])
  return { digest, blob }
}

/** As `encodeChunk`, without the copy that joins header and payload (which may be `plain` itself). */
export async function encodeChunkParts(
  plain: Uint8Array,
  options: EncodeOptions,
): Promise<BlobParts & { readonly digest: Digest }> {
  const [digest, parts] = await Promise.all([
    chunkDigest(plain, options.crypt ?? null),
    encodeBlobParts(plain, options),
  ])
  return { digest, ...parts }
}

/**
 * The plain data of a chunk, compared with its digest and `size`; it may be a view of `blob` (borrowed).
 * The CRC is not looked at: the digest says more. Throws CHUNK_DIGEST_WRONG, CHUNK_LENGTH_WRONG, or as `decodeBlob`.
 */
export async function decodeChunk(
  blob: Uint8Array,
  { digest, size, crypt = null, allocate }: DecodeChunkOptions,
): Promise<Uint8Array> {
  const { encrypted } = inspectBlob(blob)
  const plain = await decodeBlob(blob, { crypt, sizeMax: CHUNK_SIZE_MAX, allocate })
  const actual = await chunkDigest(plain, encrypted ? crypt : null)
  if (actual !== digest) throw errors.CHUNK_DIGEST_WRONG({})
  if (size !== undefined && plain.length !== size) {
    throw errors.CHUNK_LENGTH_WRONG({ expected: size, actual: plain.length })
  }
  return plain
}

/**
 * What a server can check of a chunk without a key: digest and length if it is not encrypted, nothing but the header
 * otherwise. Throws as `decodeChunk`.
 */
export async function checkUnencryptedChunk(
  blob: Uint8Array,
  options: { readonly size: number } & Omit<DecodeChunkOptions, 'crypt'>,
): Promise<void> {
  if (inspectBlob(blob).encrypted) return
  await decodeChunk(blob, options)
}
