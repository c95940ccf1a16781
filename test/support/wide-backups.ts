/** Backups whose chunks are uploaded many at a time; their content follows from the numbers of the chunks. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { forEachConcurrent } from '../../src/base/async/map-concurrent.ts'
import { toHex } from '../../src/base/hex.ts'
import { openBackupSession } from '../../src/client/backup-session.ts'
import { uploadBlob } from '../../src/client/backup/upload-blob.ts'
import type { Connection } from '../../src/client/connection.ts'
import { restore } from '../../src/client/restore/restore.ts'
import { MANIFEST_NAME } from '../../src/formats/archive-name.ts'
import { encodeChunk } from '../../src/formats/chunk.ts'
import type { Digest } from '../../src/formats/digest.ts'
import { DynamicIndexBuilder } from '../../src/formats/dynamic-index.ts'
import { addManifestFile, formatManifest } from '../../src/formats/manifest.ts'
import { ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import { testHost } from './client-host.ts'
import { snapshotOf } from './small-backups.ts'

const ARCHIVE = 'root.pxar.didx'
const CHUNK_SIZE = 30_000
const NO_KEY = { mode: 'none', key: null, masterKey: null } as const

export interface WideBackup {
  readonly group: string
  /** Its day; see `snapshotOf`. */
  readonly number: number
  /** Which chunks, in order; each number is a content. */
  readonly chunks: readonly number[]
  readonly noCache?: boolean
}

function contentOf(number: number): Buffer {
  return createHash('shake256', { outputLength: CHUNK_SIZE }).update(`wide ${number}`).digest()
}

/** Backs up with `concurrency` uploads at once, every chunk uploaded; resolves when `finish` was answered. */
export async function backUpWide(
  connection: Connection,
  { group, number, chunks, noCache = false }: WideBackup,
  concurrency: number,
): Promise<void> {
  const snapshot = snapshotOf(number, group)
  const options = { namespace: ROOT_NAMESPACE, snapshot, noCache }
  await using session = await openBackupSession(connection, options)
  const writer = await session.createIndex('dynamic', ARCHIVE, null)
  const digests = new Map<number, Digest>()
  await forEachConcurrent(new Set(chunks), { concurrency }, async (chunk) => {
    const content = contentOf(chunk)
    const { digest, blob } = await encodeChunk(content, { compress: false })
    const upload = { digest, size: content.length, encodedSize: blob.length, parts: [blob] }
    await session.uploadChunk('dynamic', writer, upload)
    digests.set(chunk, digest)
  })
  const builder = new DynamicIndexBuilder()
  for (const chunk of chunks) {
    const digest = digests.get(chunk)
    assert.ok(digest !== undefined)
    const offset = builder.end
    builder.append(offset + CHUNK_SIZE, digest)
    await session.appendIndex('dynamic', writer, { digests: [digest], offsets: [offset] })
  }
  const csum = toHex(builder.csum())
  const { count: chunkCount, end: size } = builder
  await session.closeIndex('dynamic', writer, { chunkCount, size, csum })
  const { type: backupType, id: backupId, time: backupTime } = snapshot
  const head = { backupType, backupId, backupTime, files: [], signature: null, unprotected: {} }
  const manifest = addManifestFile(head, { filename: ARCHIVE, size, csum, cryptMode: 'none' })
  const bytes = formatManifest(manifest)
  await uploadBlob(session, MANIFEST_NAME, bytes, { crypt: null, compress: true })
  await session.finish()
}

/** Restores all of it and compares every byte. */
export async function checkWide(
  connection: Connection,
  { group, number, chunks }: WideBackup,
): Promise<void> {
  const received: Buffer[] = []
  await restore(testHost({}), connection, {
    namespace: ROOT_NAMESPACE,
    snapshot: snapshotOf(number, group),
    archive: 'root.pxar',
    target: '-',
    encryption: NO_KEY,
    extract: {},
    pipe: { write: async (bytes) => void received.push(Buffer.from(bytes)) },
    pace: undefined,
    onProgress: undefined,
  })
  const expected = Buffer.concat(chunks.map(contentOf))
  assert.ok(
    Buffer.concat(received).equals(expected),
    `${group} ${number} is not what was backed up`,
  )
}
