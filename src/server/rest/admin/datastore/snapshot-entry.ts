/** A snapshot and its files as lists show them (rest-api §4.3, SnapshotListItem). */
import { hasCode } from '../../../../base/errors.ts'
import type { Datastore } from '../../../../datastore/datastore.ts'
import { readManifest, type StoredManifest } from '../../../../datastore/manifest-store.ts'
import type { SnapshotListing } from '../../../../datastore/snapshots.ts'
import { MANIFEST_NAME } from '../../../../formats/archive-name.ts'
import { isJsonObject, type JsonValue } from '../../../../formats/json.ts'
import type { Manifest } from '../../../../formats/manifest.ts'
import type { NamespacePath } from '../../../../formats/namespace.ts'
import { parseUpid } from '../../../../formats/upid.ts'

const FINGERPRINT = /^[0-9a-f]{2}(?::[0-9a-f]{2}){31}$/i

export interface FileEntry {
  readonly filename: string
  readonly 'crypt-mode'?: string
  readonly size?: number
}

/** One item of the snapshot list; a snapshot without readable manifest shows its file names. */
export async function snapshotEntry(
  datastore: Datastore,
  ns: NamespacePath,
  listing: SnapshotListing,
): Promise<object> {
  const read = await readManifest(datastore, ns, listing.ref).catch(() => null)
  return describeSnapshot(listing, read)
}

/** The item of a snapshot with this manifest, or without one that can be read. */
export function describeSnapshot(listing: SnapshotListing, read: StoredManifest | null): object {
  const { ref, files: names } = listing
  const identity = {
    'backup-type': ref.type,
    'backup-id': ref.id,
    'backup-time': ref.time,
    protected: listing.protected,
  }
  if (read === null) return { ...identity, files: names.map((filename) => ({ filename })) }
  const files = fileEntries(read.manifest, { blobSize: read.blobSize, names })
  const size = files.reduce((sum, file) => sum + (file.size ?? 0), 0)
  return { ...identity, files, size, ...facts(read.manifest) }
}

/** Files of the manifest in its order, the manifest itself, then files it does not know. */
export function fileEntries(
  manifest: Manifest,
  { blobSize, names }: { readonly blobSize: number; readonly names: readonly string[] },
): readonly FileEntry[] {
  const listed: FileEntry[] = manifest.files.map(({ filename, cryptMode, size }) => ({
    filename,
    'crypt-mode': cryptMode,
    size,
  }))
  // Nobody encrypts the manifest: its signature is what a key adds.
  const mode = manifest.signature === null ? 'none' : 'sign-only'
  listed.push({ filename: MANIFEST_NAME, 'crypt-mode': mode, size: blobSize })
  const known = new Set(listed.map(({ filename }) => filename))
  const others = names.filter((name) => !known.has(name)).map((filename) => ({ filename }))
  return [...listed, ...others]
}

/** What stock does not understand it does not show either: its clients refuse the whole list for one such value. */
function facts({ unprotected }: Manifest): object {
  const { notes, verify_state: state, 'key-fingerprint': fingerprint } = unprotected
  const verification = verificationOf(state)
  return {
    ...(typeof notes === 'string' && notes !== '' ? { comment: firstLine(notes) } : {}),
    ...(verification === null ? {} : { verification }),
    ...(typeof fingerprint === 'string' && FINGERPRINT.test(fingerprint)
      ? { fingerprint: fingerprint.toLowerCase() }
      : {}),
  }
}

function verificationOf(value: JsonValue | undefined): object | null {
  if (!isJsonObject(value)) return null
  const { state, upid } = value
  if ((state !== 'ok' && state !== 'failed') || typeof upid !== 'string') return null
  try {
    parseUpid(upid)
    return { state, upid }
  } catch (error) {
    if (hasCode(error, 'UPID_INVALID')) return null
    throw error
  }
}

function firstLine(notes: string): string {
  return notes.split('\n', 1)[0] ?? ''
}
