/** Manifests on disk: read without a lock, change `unprotected` only, under the manifest lock (datastore-semantics.md 6). */
import type { CairnError } from '../base/errors.ts'
import { toError } from '../base/errors.ts'
import { MANIFEST_NAME } from '../formats/archive-name.ts'
import { checkBlobCrc } from '../formats/data-blob.ts'
import { isJsonObject, type JsonObject } from '../formats/json.ts'
import { decodeManifestBlob, encodeManifestBlob, type Manifest } from '../formats/manifest.ts'
import type { SnapshotRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import { osErrorText } from '../storage/os-error-text.ts'
import type { Datastore } from './datastore.ts'
import { errors } from './errors.ts'
import { relativeSnapshotPath, snapshotPath } from './layout.ts'
import { checkNotLeaving } from './remove-from-bucket.ts'

export interface StoredManifest {
  readonly manifest: Manifest
  /** Bytes of the blob on disk. */
  readonly blobSize: number
}

/** The encoded manifest; stock allows any blob, no real one is near this. */
const MANIFEST_BLOB_SIZE_MAX = 16 << 20

/** Throws BLOB_LOAD_FAILED (missing or broken file) or the manifest's own errors, with stock's texts. */
export async function readManifest(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
): Promise<StoredManifest> {
  const path = `${snapshotPath(store.path, ns, ref)}/${MANIFEST_NAME}`
  const blob = await readManifestBlob(store, path, path)
  return { manifest: await decodeManifestBlob(blob), blobSize: blob.length }
}

/** The bytes of a manifest at `path`, CRC checked; `shownPath` stands in the text of BLOB_LOAD_FAILED. */
export async function readManifestBlob(
  store: Datastore,
  path: string,
  shownPath: string,
): Promise<Uint8Array> {
  let reason: string
  let cause: unknown
  try {
    const blob = await store.fs.readFile(path, MANIFEST_BLOB_SIZE_MAX)
    try {
      checkBlobCrc(blob)
      return blob
    } catch (error) {
      cause = error
      reason = toError(error).message
    }
  } catch (error) {
    cause = error
    reason = osErrorText(error)
  }
  throw errors.BLOB_LOAD_FAILED({ path: shownPath, reason }, { cause }) satisfies CairnError
}

/**
 * Replaces the `unprotected` part by what `change` makes of it as it is now; everything else stays as it is, so no
 * caller can break a signature. Throws as `readManifest`, SNAPSHOT_LEAVING, MANIFEST_LOCK_BUSY after five seconds.
 */
export async function updateUnprotected(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  change: (unprotected: JsonObject) => JsonObject,
): Promise<void> {
  await using _lock = await store.locks.lockManifest(ns, ref)
  await checkNotLeaving(store, ns, ref)
  const { manifest } = await readManifest(store, ns, ref)
  const unprotected = change({ ...manifest.unprotected })
  const blob = await encodeManifestBlob({ ...manifest, unprotected })
  // A manifest alone would look finished to whoever has nothing but the bucket.
  const path = `${relativeSnapshotPath(ns, ref)}/${MANIFEST_NAME}`
  await store.bucket?.tree.write(path, blob, { replaces: true })
  await store.files.write(`${snapshotPath(store.path, ns, ref)}/${MANIFEST_NAME}`, blob)
}

/** The notes of a snapshot, empty for none. */
export async function readSnapshotNotes(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
): Promise<string> {
  const { notes } = (await readManifest(store, ns, ref)).manifest.unprotected
  return typeof notes === 'string' ? notes : ''
}

export async function setSnapshotNotes(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  notes: string,
): Promise<void> {
  await updateUnprotected(store, ns, ref, (unprotected) => ({ ...unprotected, notes }))
}

/** Says in the manifest how the last verification by the task `upid` went. */
export async function setVerifyState(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  verified: { readonly state: 'ok' | 'failed'; readonly upid: string },
): Promise<void> {
  const verifyState: JsonObject = { state: verified.state, upid: verified.upid }
  await updateUnprotected(store, ns, ref, (unprotected) => ({
    ...unprotected,
    verify_state: verifyState,
  }))
}

/** Whether the last verification failed; anything but a plain "failed" counts as not (as in stock). */
export function isVerifyFailed(manifest: Manifest): boolean {
  const state = manifest.unprotected['verify_state'] ?? null
  return isJsonObject(state) && state['state'] === 'failed'
}
