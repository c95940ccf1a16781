/** What an S3 request says about its body (formats.md 10.2): `Content-MD5` and `x-amz-content-sha256`. */
import { md5Bytes } from '../crypto/md5.ts'
import { sha256Bytes } from '../crypto/sha256.ts'

export interface BodyChecksums {
  /** 32 lower-case hex characters, as in an ETag. */
  readonly md5: string
  /** As `Content-MD5` has it. */
  readonly md5Base64: string
  /** 64 lower-case hex characters; or what stands for a body that the signature does not hold. */
  readonly sha256: string
}

const UNSIGNED = 'UNSIGNED-PAYLOAD'

/**
 * The checksums of `body`, computed in libuv's pool; `body` must not change meanwhile. Without `isSigned` the MD5 alone
 * says what it holds: for a store that compares it, over TLS.
 */
export async function checksumsOf(
  body: Uint8Array,
  { isSigned = true }: { readonly isSigned?: boolean } = {},
): Promise<BodyChecksums> {
  const signed = isSigned ? sha256Bytes(body) : null
  const [md5, sha256] = await Promise.all([md5Bytes(body), signed])
  return {
    md5: Buffer.from(md5).toString('hex'),
    md5Base64: Buffer.from(md5).toString('base64'),
    sha256: sha256 === null ? UNSIGNED : Buffer.from(sha256).toString('hex'),
  }
}

/** MD5 of `body` as an ETag has it, computed in libuv's pool. */
export async function md5OfBody(body: Uint8Array): Promise<string> {
  return Buffer.from(await md5Bytes(body)).toString('hex')
}
