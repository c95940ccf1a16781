/** A datastore for one test, in memory where possible, and what most tests do with it. */
import type { TestContext } from 'node:test'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import type { FileSystem } from '../../src/base/fs/file-system.ts'
import { silentLog } from '../../src/base/log.ts'
import { silentProgress } from '../../src/base/progress.ts'
import { type Clock, systemClock } from '../../src/base/time/clock.ts'
import type { ActiveOperations } from '../../src/datastore/active-operations.ts'
import { createDatastore } from '../../src/datastore/create.ts'
import type { Datastore } from '../../src/datastore/datastore.ts'
import { DatastoreRegistry } from '../../src/datastore/registry.ts'
import { beginBackup } from '../../src/datastore/sessions/begin-backup.ts'
import type { BackupWriter } from '../../src/datastore/sessions/backup-writer.ts'
import { type DatastoreSettings, defaultSettings } from '../../src/datastore/settings.ts'
import { encodeChunk } from '../../src/formats/chunk.ts'
import type { Digest } from '../../src/formats/digest.ts'
import { DynamicIndexBuilder } from '../../src/formats/dynamic-index.ts'
import { encodeManifestBlob } from '../../src/formats/manifest.ts'
import { parseGroup } from '../../src/formats/names.ts'
import { type NamespacePath, ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

export const STORE = 'store1'
export const UPID = 'UPID:vm:00000001:00000001:00000001:6B016C27:backup:store1:root@pam:'

export interface TestStoreOptions {
  readonly fs?: FileSystem
  readonly clock?: Clock
  readonly settings?: Partial<DatastoreSettings>
  /** Owner of the datastore's folder; only root can ask for one. */
  readonly owner?: { readonly uid: number; readonly gid: number }
  /** Where uses are counted. */
  readonly operations?: ActiveOperations
  /** Folder of an earlier test store of the same test: a restart. */
  readonly folder?: string
}

export interface TestStore {
  readonly registry: DatastoreRegistry
  readonly store: Datastore
  /** Holds `store`, `state` and `locks`. */
  readonly folder: string
  /** Changes settings; the next lookup sees them. */
  readonly change: (settings: Partial<DatastoreSettings>) => void
}

/** An open datastore `store1` without its chunk folders; closed and removed after the test. */
export async function makeTestStore(
  context: TestContext,
  options: TestStoreOptions = {},
): Promise<TestStore> {
  const fs = options.fs ?? nodeFileSystem
  const folder = options.folder ?? (await makeTemporaryFolder(context))
  const path = `${folder}/store`
  if (options.folder === undefined) {
    const progress = silentProgress()
    const { owner } = options
    const made = { name: STORE, path, progress, chunkFolders: false, owner }
    await createDatastore(nodeFileSystem, made)
  }
  let settings = { ...defaultSettings(path), ...options.settings }
  const registry = new DatastoreRegistry({
    fs,
    clock: options.clock ?? systemClock,
    log: silentLog,
    paths: { state: `${folder}/state`, locks: `${folder}/locks` },
    settingsOf: async (name) => (name === STORE ? settings : null),
    ...(options.operations === undefined ? {} : { operations: options.operations }),
  })
  context.after(async () => await registry.close().catch(() => {}))
  const store = await registry.lookup(STORE, 'write')
  const change = (changed: Partial<DatastoreSettings>): void => {
    settings = { ...settings, ...changed }
  }
  return { registry, store, folder, change }
}

/** A chunk with this text as content. */
export async function makeChunk(
  text: string,
): Promise<{ digest: Digest; blob: Uint8Array; size: number }> {
  const plain = Buffer.from(text)
  const { digest, blob } = await encodeChunk(plain, { compress: false })
  return { digest, blob, size: plain.length }
}

export interface BeginOptions {
  readonly group?: string
  readonly ns?: NamespacePath
  readonly caller?: string
  readonly benchmark?: boolean
}

/** Begins a backup of `host/web1` by root@pam, with its task attached; log lines go to `lines`. */
export async function begin(
  store: Datastore,
  time: number,
  options: BeginOptions & { readonly lines?: string[] } = {},
): Promise<BackupWriter> {
  const writer = await beginBackup(store, {
    ns: options.ns ?? ROOT_NAMESPACE,
    group: parseGroup(options.group ?? 'host/web1'),
    time,
    caller: options.caller ?? 'root@pam',
    benchmark: options.benchmark ?? false,
  })
  const progress = { ...silentProgress(), log: (line: string) => void options.lines?.push(line) }
  writer.attachTask({ upid: UPID, progress })
  return writer
}

/** Uploads one chunk per text and closes a dynamic index over them. */
export async function writeArchive(
  writer: BackupWriter,
  name: string,
  texts: readonly string[],
): Promise<Digest[]> {
  const chunks = await Promise.all(texts.map(makeChunk))
  for (const { digest, blob, size } of chunks) await writer.insertChunk(digest, blob, size)
  await appendArchive(writer, name, chunks)
  return chunks.map((chunk) => chunk.digest)
}

/** A dynamic index over chunks that the session knows. */
export async function appendArchive(
  writer: BackupWriter,
  name: string,
  chunks: readonly { digest: Digest; size: number }[],
): Promise<void> {
  const index = await writer.createDynamicIndex(name)
  const builder = new DynamicIndexBuilder()
  for (const { digest, size } of chunks) {
    await index.append([digest], [builder.end])
    builder.append(builder.end + size, digest)
  }
  const csum = Buffer.from(builder.csum()).toString('hex')
  await index.close({ chunkCount: chunks.length, size: builder.end, csum })
  manifestFiles(writer).push({ filename: name, size: builder.end, csum })
}

const files = new WeakMap<BackupWriter, { filename: string; size: number; csum: string }[]>()

function manifestFiles(writer: BackupWriter) {
  const known = files.get(writer) ?? []
  files.set(writer, known)
  return known
}

/** Uploads the manifest of what `appendArchive` wrote, and finishes. */
export async function finish(writer: BackupWriter): Promise<void> {
  await writeManifest(writer)
  await writer.finish({ count: 0, size: 0, compressed_size: 0, duplicates: 0 })
}

export async function writeManifest(writer: BackupWriter): Promise<void> {
  const { type, id, time } = writer.ref
  const blob = await encodeManifestBlob({
    backupType: type,
    backupId: id,
    backupTime: time,
    files: manifestFiles(writer).map((file) => ({ ...file, cryptMode: 'none' as const })),
    signature: null,
    unprotected: {},
  })
  await writer.writeBlob('index.json.blob', blob)
}

/** A whole backup of one archive. */
export async function backUp(
  store: Datastore,
  time: number,
  texts: readonly string[],
  options: BeginOptions = {},
): Promise<BackupWriter> {
  const writer = await begin(store, time, options)
  await writeArchive(writer, 'root.pxar.didx', texts)
  await finish(writer)
  return writer
}
