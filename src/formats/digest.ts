/** Digests: the identity of a chunk's plain data (formats.md 2). Text everywhere but in flat tables. */
import { sha256Bytes } from '../crypto/sha256.ts'
import { errors } from './errors.ts'

declare const brand: unique symbol

/** 64 lower-case hex characters. */
export type Digest = string & { readonly [brand]: 'Digest' }

export const DIGEST_SIZE = 32
const DIGEST = /^[0-9a-f]{64}$/

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text)
}

/** Throws DIGEST_INVALID; upper case is refused, as on the wire. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) throw errors.DIGEST_INVALID({ text })
  return text
}

/** The digest whose 32 bytes begin at `offset`; throws DIGEST_INVALID if there are fewer. */
export function digestFromBytes(bytes: Uint8Array, offset = 0): Digest {
  const text = view(bytes).toString('hex', offset, offset + DIGEST_SIZE)
  if (text.length !== 2 * DIGEST_SIZE) throw errors.DIGEST_INVALID({ text })
  return text as Digest
}

/** Its 32 bytes, owned by the caller. */
export function digestToBytes(digest: Digest): Uint8Array {
  const bytes = new Uint8Array(DIGEST_SIZE)
  view(bytes).write(digest, 'hex')
  return bytes
}

/** SHA-256 of `data`, whole or in parts, computed in libuv's pool; it must not change meanwhile. */
export async function sha256(data: Uint8Array | readonly Uint8Array[]): Promise<Digest> {
  return digestFromBytes(await sha256Bytes(data))
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
