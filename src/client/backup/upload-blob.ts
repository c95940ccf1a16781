/** Sends one small file as a blob (backup-protocol 4.3, formats 1). */
import type { CryptConfig } from '../../crypto/crypt-config.ts'
import { encodeBlob } from '../../formats/data-blob.ts'
import { sha256 } from '../../formats/digest.ts'
import type { BackupSession } from '../backup-session.ts'

export interface BlobOptions {
  /** Set when it is encrypted. */
  readonly crypt: CryptConfig | null
  readonly compress: boolean
}

/** What the manifest says of a blob: size and SHA-256 of the encoded bytes. */
export interface UploadedBlob {
  readonly size: number
  readonly csum: string
}

/** Encodes `plain` and uploads it as `fileName`. */
export async function uploadBlob(
  session: BackupSession,
  fileName: string,
  plain: Uint8Array,
  { crypt, compress }: BlobOptions,
): Promise<UploadedBlob> {
  const blob = await encodeBlob(plain, { crypt, compress })
  await session.uploadBlob(fileName, blob)
  return { size: blob.length, csum: await sha256(blob) }
}
