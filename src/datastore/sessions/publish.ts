/**
 * The last steps of a session (races.md; docs/ordering.md): everything is made durable, then the
 * manifest goes into the bucket, if there is one, then it gets its name here, then the name is made durable, then finish
 * is answered.
 */
import { dirname } from 'node:path'
import { errorChain, isSystemError, toError } from '../../base/errors.ts'
import { atomicWrite } from '../../base/fs/atomic-write.ts'
import { MANIFEST_NAME } from '../../formats/archive-name.ts'
import type { JsonObject } from '../../formats/json.ts'
import { decodeManifestBlob, encodeManifestBlob } from '../../formats/manifest.ts'
import { osErrorText } from '../../storage/os-error-text.ts'
import type { HolderWatch } from '../bucket/holder.ts'
import type { Datastore } from '../datastore.ts'
import { quote } from '../debug-text.ts'
import { errors } from '../errors.ts'
import { FAILED_FILE } from '../layout.ts'
import { FILE_MODE } from '../store-files.ts'
import { completeInBucket } from './remote-copies.ts'

/** Sum over all uploads of a session, as `finish` keeps it in the manifest. */
export interface UploadStatistics {
  readonly count: number
  /** Plain bytes of chunks and encoded bytes of blobs. */
  readonly size: number
  readonly compressed_size: number
  readonly duplicates: number
}

export interface PublishOptions {
  /** Folder of the snapshot. */
  readonly path: string
  /** The manifest under its temporary name. */
  readonly pendingPath: string
  /** Folder of the snapshot below the datastore's. */
  readonly relativePath: string
  /** The bucket as the session found it; null without one. */
  readonly watch: HolderWatch | null
  /** Whether chunks are relied on that this session did not write: at level `file` they may not be durable. */
  readonly reuses: boolean
  log(line: string): void
  /** Throws if the session was failed meanwhile; called right before the manifest gets its name. */
  check(): void
}

/** Manifests that clients send: as for stored ones. */
const MANIFEST_BLOB_SIZE_MAX = 16 << 20

/** Puts the statistics into the pending manifest. Throws `unable to update manifest blob - …`. */
export async function completeManifest(
  store: Datastore,
  paths: { readonly path: string; readonly pendingPath: string },
  statistics: UploadStatistics,
): Promise<void> {
  try {
    const blob = await readPending(store, paths)
    const manifest = await decodeManifestBlob(blob)
    const stats: JsonObject = { ...statistics }
    const unprotected = { ...manifest.unprotected, chunk_upload_stats: stats }
    await writePending(
      store,
      paths.pendingPath,
      await encodeManifestBlob({ ...manifest, unprotected }),
    )
  } catch (error) {
    const text = `unable to update manifest blob - ${toError(error).message}`
    throw errors.SESSION_REFUSED({ text }, { cause: error })
  }
}

/** Replaces the pending manifest atomically; nothing is made durable here. */
export async function writePending(
  store: Datastore,
  path: string,
  blob: Uint8Array,
): Promise<void> {
  await atomicWrite(store.fs, path, blob, { mode: FILE_MODE, owner: store.owner, durable: false })
}

/** Syncs by the store's level, gives the manifest its name, and makes that durable. */
export async function publishSnapshot(store: Datastore, options: PublishOptions): Promise<void> {
  await syncContent(store, options)
  options.check()
  await publishInBucket(store, options)
  options.check()
  await store.fs.rename(options.pendingPath, `${options.path}/${MANIFEST_NAME}`)
  // What is finished in the bucket must not look unfinished here after a power cut: it would be removed there, too.
  if (store.settings.syncLevel === 'none' && store.bucket === null) {
    // Answered without it; it only moves the stamp of the last good sync.
    store.core.sync.run().catch((error: unknown) => {
      store.log.warn('background sync failed', { store: store.name, error: errorChain(error) })
    })
    return
  }
  await store.fs.syncFolder(options.path)
}

/** From here on the snapshot is finished for whoever has nothing but the bucket. */
async function publishInBucket(store: Datastore, options: PublishOptions): Promise<void> {
  const { bucket } = store
  if (bucket === null) return
  await checkOurs(options.watch)
  if (options.watch?.isDoubtful === true) await completeInBucket(store, options)
  const blob = await store.fs.readFile(options.pendingPath, MANIFEST_BLOB_SIZE_MAX)
  const path = `${options.relativePath}/${MANIFEST_NAME}`
  await bucket.tree.write(path, blob, { isNew: true })
  // Who came between the two found it unfinished, and may have removed some of it.
  await checkOurs(options.watch)
}

/** Whoever had the bucket meanwhile may have collected what this session relied on (races.md R-59). */
async function checkOurs(watch: HolderWatch | null): Promise<void> {
  const other = (await watch?.end()) ?? null
  if (other === null) return
  const text = `the bucket was not ours during the backup: ${other}`
  throw errors.SESSION_FAILED({ text })
}

/** Takes the manifest's name away again, if it has it: nothing may look finished that was not answered so. */
export async function unpublishSnapshot(
  store: Datastore,
  paths: { readonly path: string; readonly pendingPath: string; readonly relativePath: string },
): Promise<void> {
  if (store.bucket !== null) {
    // If the bucket keeps it, the next start must not take it for finished.
    await writePending(store, `${paths.path}/${FAILED_FILE}`, new Uint8Array())
    await removeFromBucket(store, `${paths.relativePath}/${MANIFEST_NAME}`)
  }
  try {
    await store.fs.rename(`${paths.path}/${MANIFEST_NAME}`, paths.pendingPath)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
}

async function removeFromBucket(store: Datastore, path: string): Promise<void> {
  try {
    await store.bucket?.tree.remove(path)
  } catch (error) {
    const place = { store: store.name, path, error: errorChain(error) }
    store.log.warn('cannot take a manifest back from the bucket', place)
  }
}

async function syncContent(store: Datastore, options: PublishOptions): Promise<void> {
  const { syncLevel } = store.settings
  switch (syncLevel) {
    case 'none':
      return
    case 'filesystem':
      options.log(`syncing filesystem for backing path '${quote(store.path)}'`)
      return await store.core.sync.run()
    case 'file':
      await syncFiles(store, options.path)
      if (options.reuses) await store.core.sync.run()
      return
    default:
      return syncLevel satisfies never
  }
}

/** Level `file`: chunks are durable already, the rest of the snapshot is made so, up to the datastore's folder. */
async function syncFiles(store: Datastore, path: string): Promise<void> {
  for (const { name, kind } of await store.fs.readDir(path)) {
    if (kind !== 'file') continue
    await using handle = await store.fs.open(`${path}/${name}`, 'read')
    await handle.sync()
  }
  for (let folder = path; folder.length >= store.path.length; folder = dirname(folder)) {
    await store.fs.syncFolder(folder)
  }
}

async function readPending(
  store: Datastore,
  paths: { readonly path: string; readonly pendingPath: string },
): Promise<Uint8Array> {
  const path = `${paths.path}/${MANIFEST_NAME}`
  try {
    const blob = await store.fs.readFile(paths.pendingPath, MANIFEST_BLOB_SIZE_MAX)
    if (blob.length > 0) return blob
  } catch (error) {
    throw errors.BLOB_LOAD_FAILED({ path, reason: osErrorText(error) }, { cause: error })
  }
  // Empty since the session began: the client sent none.
  throw errors.BLOB_LOAD_FAILED({ path, reason: 'No such file or directory (os error 2)' })
}
