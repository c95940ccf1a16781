/**
 * The small backups of `small-backups.ts` made and compared without server and client: the datastore's own calls, in a
 * tenth of the time.
 */
import assert from 'node:assert/strict'
import { toHex } from '../../src/base/hex.ts'
import { silentProgress } from '../../src/base/progress.ts'
import type { Datastore } from '../../src/datastore/datastore.ts'
import { snapshotPath } from '../../src/datastore/layout.ts'
import { readManifest } from '../../src/datastore/manifest-store.ts'
import type { BackupWriter } from '../../src/datastore/sessions/backup-writer.ts'
import { beginBackup } from '../../src/datastore/sessions/begin-backup.ts'
import type { IndexWriter } from '../../src/datastore/sessions/index-writer.ts'
import { readIndex } from '../../src/datastore/snapshot-files.ts'
import { MANIFEST_NAME } from '../../src/formats/archive-name.ts'
import { decodeChunk, encodeChunk } from '../../src/formats/chunk.ts'
import { decodeBlob, encodeBlob } from '../../src/formats/data-blob.ts'
import { type Digest, sha256 } from '../../src/formats/digest.ts'
import { DynamicIndexBuilder } from '../../src/formats/dynamic-index.ts'
import { FIXED_CHUNK_SIZE, fixedIndexCsum } from '../../src/formats/fixed-index.ts'
import {
  checkManifestFile,
  encodeManifestBlob,
  type ManifestFile,
} from '../../src/formats/manifest.ts'
import { ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import { CONFIG, contentOf, IMAGE, type SmallBackup, snapshotOf, TREE } from './small-backups.ts'
import { UPID } from './test-store.ts'

/** Encoded contents that are kept: those of a datastore's few backups, which are looked at again and again. */
const KEPT_COUNT = 32
const BLOB_SIZE_MAX = 16 << 20
const NO_STATISTICS = { count: 0, size: 0, compressed_size: 0, duplicates: 0 }

interface Chunk {
  readonly digest: Digest
  readonly blob: Uint8Array
  readonly size: number
}

interface Encoded {
  readonly tree: readonly Chunk[]
  readonly image: readonly Chunk[]
  readonly config: Uint8Array
}

const kept = new Map<string, Promise<Encoded>>()

/** Backs up as `caller`; resolves when the snapshot is finished. */
export async function backUpDirect(
  store: Datastore,
  backup: SmallBackup,
  caller: string,
): Promise<void> {
  const { namespace: ns = ROOT_NAMESPACE } = backup
  const ref = snapshotOf(backup.number, backup.group)
  const content = await encodedOf(backup)
  const request = { ns, group: ref, time: ref.time, caller, benchmark: false }
  const writer = await beginBackup(store, request)
  writer.attachTask({ upid: UPID, progress: silentProgress() })
  try {
    const files = [
      await writeTree(writer, content.tree),
      await writeImage(writer, content.image),
      { filename: CONFIG, cryptMode: 'none' as const, ...(await writeConfig(writer, content)) },
    ]
    const { type: backupType, id: backupId, time: backupTime } = ref
    const named = { backupType, backupId, backupTime, files, signature: null, unprotected: {} }
    await writer.writeBlob(MANIFEST_NAME, await encodeManifestBlob(named))
    await writer.finish(NO_STATISTICS)
  } finally {
    await writer.abort()
  }
}

/** Throws unless manifest, indexes, chunks and blob are those of its content. */
export async function checkWhole(store: Datastore, backup: SmallBackup): Promise<void> {
  const { namespace: ns = ROOT_NAMESPACE } = backup
  const ref = snapshotOf(backup.number, backup.group)
  const { tree, image, config } = await encodedOf(backup)
  const path = snapshotPath(store.path, ns, ref)
  const { manifest } = await readManifest(store, ns, ref)
  for (const [name, chunks] of [[TREE, tree] as const, [IMAGE, image] as const]) {
    const index = await readIndex(store, ns, ref, name)
    const named = Array.from({ length: index.count }, (_, at) => index.digestAt(at))
    assert.deepEqual(named, digestsOf(chunks), `${name} of ${backup.number}`)
    const csum = toHex(index.computeCsum())
    checkManifestFile(manifest, { filename: name, size: index.size, csum })
    for (const chunk of chunks) await checkChunk(store, chunk)
  }
  const blob = await store.fs.readFile(`${path}/${CONFIG}`, BLOB_SIZE_MAX)
  const csum = await sha256(blob)
  checkManifestFile(manifest, { filename: CONFIG, size: blob.length, csum })
  assert.ok(Buffer.from(await decodeBlob(blob)).equals(config), `${CONFIG} of ${backup.number}`)
}

/** Throws unless `present` has all its chunks. */
export async function checkNames(backup: SmallBackup, present: ReadonlySet<string>): Promise<void> {
  const { tree, image } = await encodedOf(backup)
  const missing = digestsOf([...tree, ...image]).filter((digest) => !present.has(digest))
  assert.deepEqual(missing, [], `chunks of ${backup.number}`)
}

/** Another program, or level, may have encoded it in another way. */
async function checkChunk(store: Datastore, { digest, blob, size }: Chunk): Promise<void> {
  const path = `${store.path}/.chunks/${digest.slice(0, 4)}/${digest}`
  const stored = await store.fs.readFile(path, BLOB_SIZE_MAX)
  if (!Buffer.from(stored).equals(blob)) await decodeChunk(stored, { digest, size })
}

async function encodedOf(backup: SmallBackup): Promise<Encoded> {
  const { content = backup.number, bulkCount = 0, isShort = false } = backup
  const key = `${content} ${bulkCount} ${isShort}`
  const known = kept.get(key) ?? encode(backup)
  // The last used is the last to go.
  kept.delete(key)
  kept.set(key, known)
  const [oldest] = kept.keys()
  if (kept.size > KEPT_COUNT && oldest !== undefined) kept.delete(oldest)
  return await known
}

async function encode(backup: SmallBackup): Promise<Encoded> {
  const { tree, image, config } = contentOf(backup)
  return { tree: await encodeParts(tree), image: await encodeParts(image), config }
}

async function encodeParts(parts: readonly Buffer[]): Promise<Chunk[]> {
  const chunks: Chunk[] = []
  for (const part of parts) {
    chunks.push({ ...(await encodeChunk(part, { compress: true })), size: part.length })
  }
  return chunks
}

async function writeTree(writer: BackupWriter, chunks: readonly Chunk[]): Promise<ManifestFile> {
  if (writer.base !== null) await writer.registerPrevious(TREE)
  const index = await writer.createDynamicIndex(TREE)
  const builder = new DynamicIndexBuilder()
  for (const chunk of chunks) {
    const start = builder.end
    await append(writer, index, { chunk, start })
    builder.append(start + chunk.size, chunk.digest)
  }
  const csum = toHex(builder.csum())
  await index.close({ chunkCount: builder.count, size: builder.end, csum })
  return { filename: TREE, size: builder.end, csum, cryptMode: 'none' }
}

async function writeImage(writer: BackupWriter, chunks: readonly Chunk[]): Promise<ManifestFile> {
  if (writer.base !== null) await writer.registerPrevious(IMAGE)
  const size = chunks.reduce((sum, chunk) => sum + chunk.size, 0)
  const index = await writer.createFixedIndex(IMAGE, { size, reuseCsum: null })
  for (const [at, chunk] of chunks.entries()) {
    await append(writer, index, { chunk, start: at * FIXED_CHUNK_SIZE })
  }
  const packed = Buffer.from(digestsOf(chunks).join(''), 'hex')
  const csum = toHex(fixedIndexCsum(packed))
  await index.close({ chunkCount: chunks.length, size, csum })
  return { filename: IMAGE, size, csum, cryptMode: 'none' }
}

/** Stores the chunk unless the base is known to have it. */
async function append(
  writer: BackupWriter,
  index: IndexWriter,
  { chunk, start }: { readonly chunk: Chunk; readonly start: number },
): Promise<void> {
  const { digest, blob, size } = chunk
  if (writer.knownSize(digest) === undefined) await writer.insertChunk(digest, blob, size)
  await index.append([digest], [start])
}

async function writeConfig(
  writer: BackupWriter,
  { config }: Encoded,
): Promise<{ readonly size: number; readonly csum: string }> {
  const blob = await encodeBlob(config, { compress: false })
  await writer.writeBlob(CONFIG, blob)
  return { size: blob.length, csum: await sha256(blob) }
}

function digestsOf(chunks: readonly Chunk[]): Digest[] {
  return chunks.map(({ digest }) => digest)
}
