/**
 * A quick client for tests of crashes and failures: small backups with everything in them (tree and image index, new,
 * known and duplicate chunks, a blob), restored and compared. The content of a backup follows from its number.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { toHex } from '../../src/base/hex.ts'
import { openBackupSession, type BackupSession } from '../../src/client/backup-session.ts'
import {
  digestsOf,
  loadPreviousIndex,
  loadPreviousManifest,
} from '../../src/client/backup/previous.ts'
import { uploadBlob } from '../../src/client/backup/upload-blob.ts'
import { type Connection, openConnection } from '../../src/client/connection.ts'
import { needRepository } from '../../src/client/repository.ts'
import { restore } from '../../src/client/restore/restore.ts'
import { listSnapshots } from '../../src/client/snapshots.ts'
import { MANIFEST_NAME } from '../../src/formats/archive-name.ts'
import { encodeChunk } from '../../src/formats/chunk.ts'
import type { Digest } from '../../src/formats/digest.ts'
import { DynamicIndexBuilder } from '../../src/formats/dynamic-index.ts'
import { FIXED_CHUNK_SIZE, fixedIndexCsum } from '../../src/formats/fixed-index.ts'
import {
  addManifestFile,
  formatManifest,
  type Manifest,
  type ManifestFile,
} from '../../src/formats/manifest.ts'
import { parseSnapshot, type SnapshotRef } from '../../src/formats/names.ts'
import { type NamespacePath, ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import { testHost } from './client-host.ts'

export const TREE = 'root.pxar.didx'
export const IMAGE = 'disk.img.fidx'
export const CONFIG = 'host.conf.blob'
const NO_KEY = { mode: 'none', key: null, masterKey: null } as const

/** Which backup, and what it holds. */
export interface SmallBackup {
  /** Its day; see `snapshotOf`. */
  readonly number: number
  /** Backups with the same content have the same chunks; `number` by default. */
  readonly content?: number
  /** Chunks of 200 kB that nothing compresses, besides the small ones. */
  readonly bulkCount?: number
  /** Without the 4 MiB that all images have in common. */
  readonly isShort?: boolean
  readonly group?: string
  /** The root by default. */
  readonly namespace?: NamespacePath
}

const BULK_SIZE = 200_000
const COMMON = Buffer.alloc(FIXED_CHUNK_SIZE, 'common ')

/** Parts are common to all contents, parts their own. */
export function contentOf(backup: SmallBackup): {
  tree: Buffer[]
  image: Buffer[]
  config: Buffer
} {
  const { content: number = backup.number, bulkCount = 0, isShort = false } = backup
  const bulk = Array.from({ length: bulkCount }, (_, index) =>
    createHash('shake256', { outputLength: BULK_SIZE }).update(`${number} ${index}`).digest(),
  )
  const tree = ['the same in all', `only in ${number}`, 'the end of all'].map((text) =>
    Buffer.from(text.repeat(100)),
  )
  return {
    tree: [...tree, ...bulk],
    image: [...(isShort ? [] : [COMMON]), Buffer.alloc(5000, `image ${number}`)],
    config: Buffer.from(`number = ${number}\n`),
  }
}

/** Backup `number` of `host/web1`: one a day. */
export function snapshotOf(number: number, group = 'host/web1'): SnapshotRef {
  const day = new Date(Date.UTC(2026, 0, number)).toISOString().slice(0, 10)
  return parseSnapshot(`${group}/${day}T00:00:00Z`)
}

/** A caller of the server that `environment` names. */
export async function connectTo(
  environment: Readonly<Record<string, string>>,
): Promise<Connection> {
  const host = testHost(environment)
  const none = { repository: undefined, server: undefined, port: undefined, datastore: undefined }
  const repository = await needRepository(host, { ...none, 'auth-id': undefined })
  return await openConnection(host, repository)
}

/** Backs up; resolves when `finish` was answered. */
export async function backUpSmall(connection: Connection, backup: SmallBackup): Promise<void> {
  const snapshot = snapshotOf(backup.number, backup.group)
  const { namespace = ROOT_NAMESPACE } = backup
  const options = { namespace, snapshot, noCache: false }
  await using session = await openBackupSession(connection, options)
  const manifest = await uploadSmall(session, backup)
  await uploadBlob(session, MANIFEST_NAME, manifest, { crypt: null, compress: true })
  await session.finish()
}

/** All of a small backup but its manifest, which is returned. */
export async function uploadSmall(
  session: BackupSession,
  backup: SmallBackup,
): Promise<Uint8Array> {
  const { tree, image, config } = contentOf(backup)
  const previous = await loadPreviousManifest(session, null, () => {})
  const {
    type: backupType,
    id: backupId,
    time: backupTime,
  } = snapshotOf(backup.number, backup.group)
  let manifest: Manifest = {
    backupType,
    backupId,
    backupTime,
    files: [],
    signature: null,
    unprotected: {},
  }
  const upload = { session, previous }
  manifest = addManifestFile(manifest, await uploadTree(upload, tree))
  manifest = addManifestFile(manifest, await uploadImage(upload, image))
  const blob = await uploadBlob(session, CONFIG, config, { crypt: null, compress: false })
  manifest = addManifestFile(manifest, { filename: CONFIG, cryptMode: 'none', ...blob })
  return formatManifest(manifest)
}

interface Upload {
  readonly session: BackupSession
  readonly previous: Manifest | null
}

async function uploadTree(upload: Upload, parts: readonly Buffer[]): Promise<ManifestFile> {
  const { session } = upload
  const builder = new DynamicIndexBuilder()
  const send = await beginIndex(upload, 'dynamic', TREE)
  for (const part of parts) {
    const start = builder.end
    builder.append(start + part.length, await send(part, start))
  }
  const csum = toHex(builder.csum())
  const { count: chunkCount, end: size } = builder
  await session.closeIndex('dynamic', send.writer, { chunkCount, size, csum })
  return { filename: TREE, size, csum, cryptMode: 'none' }
}

async function uploadImage(upload: Upload, parts: readonly Buffer[]): Promise<ManifestFile> {
  const { session } = upload
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  const send = await beginIndex(upload, 'fixed', IMAGE, size)
  const digests: Digest[] = []
  for (const [index, part] of parts.entries()) {
    digests.push(await send(part, index * FIXED_CHUNK_SIZE))
  }
  const packed = Buffer.from(digests.join(''), 'hex')
  const csum = toHex(fixedIndexCsum(packed))
  await session.closeIndex('fixed', send.writer, { chunkCount: parts.length, size, csum })
  return { filename: IMAGE, size, csum, cryptMode: 'none' }
}

/** Begins an index; what is returned sends a part unless it is known, and appends it. */
async function beginIndex(
  { session, previous }: Upload,
  kind: 'fixed' | 'dynamic',
  name: string,
  size: number | null = null,
) {
  const known = digestsOf(await loadPreviousIndex(session, previous, name, { kind, log: () => {} }))
  const writer = await session.createIndex(kind, name, size)
  const send = async (part: Buffer, offset: number): Promise<Digest> => {
    const { digest, blob } = await encodeChunk(part, { compress: true })
    const chunk = { digest, size: part.length, encodedSize: blob.length, parts: [blob] }
    if (!known.has(digest)) await session.uploadChunk(kind, writer, chunk)
    await session.appendIndex(kind, writer, { digests: [digest], offsets: [offset] })
    return digest
  }
  return Object.assign(send, { writer })
}

/** Restores a backup whole and compares every byte; the client checks every digest on the way. */
export async function checkRestores(connection: Connection, backup: SmallBackup): Promise<void> {
  const { tree, image, config } = contentOf(backup)
  const { number, group, namespace = ROOT_NAMESPACE } = backup
  const files = { 'root.pxar': tree, 'disk.img': image, 'host.conf': [config] }
  for (const [archive, parts] of Object.entries(files)) {
    const received: Uint8Array[] = []
    const write = async (bytes: Uint8Array): Promise<void> => void received.push(Buffer.from(bytes))
    await restore(testHost({}), connection, {
      namespace,
      snapshot: snapshotOf(number, group),
      archive,
      target: '-',
      encryption: NO_KEY,
      extract: {},
      pipe: { write },
      pace: undefined,
      onProgress: undefined,
    })
    assert.ok(Buffer.concat(received).equals(Buffer.concat(parts)), `${archive} of ${number}`)
  }
}

/** Numbers of the snapshots that the server lists for the group, finished or not, in order. */
export async function listNumbers(
  connection: Connection,
  group: string = 'host/web1',
): Promise<number[]> {
  const listed = await listSnapshots(connection, { namespace: ROOT_NAMESPACE, group: null })
  const start = Date.UTC(2026, 0, 1) / 1000
  return listed
    .filter((one) => `${one['backup-type']}/${one['backup-id']}` === group)
    .map((one) => (one['backup-time'] - start) / 86_400 + 1)
    .toSorted((a, b) => a - b)
}
