/** Whether stored bytes are a whole chunk: what can be known without a key. */
import { type CairnError, hasCode } from '../base/errors.ts'
import { decodeChunk } from '../formats/chunk.ts'
import { checkBlobCrc, inspectBlob } from '../formats/data-blob.ts'
import type { Digest } from '../formats/digest.ts'

/**
 * True if the CRC is right and, for an unencrypted chunk, the content has `digest`. The content of an encrypted one
 * cannot be checked without its key. Decoding runs in libuv's pool.
 */
export async function isWholeChunk(digest: Digest, blob: Uint8Array): Promise<boolean> {
  try {
    const { encrypted } = inspectBlob(blob)
    checkBlobCrc(blob)
    if (!encrypted) await decodeChunk(blob, { digest, crypt: null })
    return true
  } catch (error) {
    if (isCorrupt(error)) return false
    throw error
  }
}

/** Whether `error` says that bytes are wrong, in contrast to a disk or program that failed. */
export function isCorrupt(error: unknown): error is CairnError {
  return hasKind(error, 'Corrupt') && !hasCode(error, 'CHUNK_FILE_TYPE_WRONG')
}

function hasKind(error: unknown, kind: string): boolean {
  return error instanceof Error && 'kind' in error && error.kind === kind
}
