/** POST /fixed_chunk and /dynamic_chunk: from the body to the chunk store (backup-protocol.md 4.4). */
import type { Static } from 'typebox'
import { Semaphore } from '../../base/async/semaphore.ts'
import { checkUnencryptedChunk } from '../../formats/chunk.ts'
import { inspectBlob, sealBlobCrcInPool } from '../../formats/data-blob.ts'
import { type Digest, parseDigest } from '../../formats/digest.ts'
import type { UploadChunk } from '../../protocol/backup-session.ts'
import type { PutResult } from '../../storage/chunk-backend.ts'
import { storedBuffers } from '../../storage/stored-buffers.ts'
import { refused } from '../errors.ts'
import type { Exchange, SessionReply } from '../session/exchange.ts'
import { PROCESSING_MAX } from '../session/limits.ts'
import type { BackupSession } from './session.ts'

/** Of all sessions together: the pool has few threads, and each chunk being checked is in memory twice. */
const processing = new Semaphore(PROCESSING_MAX)

/**
 * Collects, checks, stores and registers one chunk. The order of checks, and so which error wins, is
 * the page's: length, header, content, store, then session and writer.
 */
export async function uploadChunk(
  session: BackupSession,
  kind: 'fixed' | 'dynamic',
  parameters: Static<typeof UploadChunk>,
  exchange: Exchange,
): Promise<SessionReply> {
  const { wid, size } = parameters
  const encodedSize = parameters['encoded-size']
  const digest = parseDigest(parameters.digest)
  using _room = await session.share.acquire(encodedSize, exchange.signal)
  using buffer = storedBuffers.take(encodedSize)
  const blob = buffer.bytes
  const received = await exchange.readInto(blob)
  if (received > encodedSize) throw refused('uploaded chunk is larger than announced.')
  if (received < encodedSize) throw refused('uploaded chunk has unexpected size.')
  using turn = await processing.acquire(1, exchange.signal)
  inspectBlob(blob)
  // Clients may leave the CRC out; what is stored has ours.
  await sealBlobCrcInPool(blob)
  await checkContent(blob, { digest, size })
  // Who waits for a bucket's answer needs no thread, and holds the stored form alone.
  if (session.writer.store.bucket !== null) turn[Symbol.dispose]()
  const confirm = ({ duplicate, storedSize }: PutResult): void => {
    const { index, uploaded } = session.findWriter(kind, wid)
    index.noteUpload({ wid, size })
    uploaded.count += 1
    uploaded.size += size
    uploaded.compressed_size += storedSize
    uploaded.duplicates += duplicate ? 1 : 0
  }
  const { signal } = exchange
  await session.writer.insertChunk(digest, blob, size, { confirm, signal })
  session.debug(() => `upload_chunk done: ${size} bytes, ${digest}`)
  return { kind: 'data', value: digest }
}

/** Errors: those of `checkUnencryptedChunk`. */
async function checkContent(
  blob: Uint8Array,
  expected: { readonly digest: Digest; readonly size: number },
): Promise<void> {
  using plain = new DisposableStack()
  const allocate = (size: number) => plain.use(storedBuffers.take(size)).bytes
  await checkUnencryptedChunk(blob, { ...expected, allocate })
}
