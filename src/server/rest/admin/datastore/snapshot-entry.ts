/** A snapshot and its files as lists show them (rest-api §4.3, SnapshotListItem). */
import type { Datastore } from '../../../../datastore/datastore.ts'
import { readManifest, type StoredManifest } from '../../../../datastore/manifest-store.ts'
import type { SnapshotListing } from '../../../../datastore/snapshots.ts'
import { MANIFEST_NAME } from '../../../../formats/archive-name.ts'
import type { Manifest } from '../../../../formats/manifest.ts'
import type { NamespacePath } from '../../../../formats/namespace.ts'

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

function facts({ unprotected }: Manifest): object {
  const {
    notes,
    verify_state: verification,
    'key-fingerprint': fingerprint,
  } = unprotected as {
    notes?: unknown
    verify_state?: unknown
    'key-fingerprint'?: unknown
  }
  return {
    ...(typeof notes === 'string' && notes !== '' ? { comment: firstLine(notes) } : {}),
    ...(isVerification(verification) ? { verification } : {}),
    ...(typeof fingerprint === 'string' ? { fingerprint } : {}),
  }
}

function isVerification(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'state' in value
}

function firstLine(notes: string): string {
  return notes.split('\n', 1)[0] ?? ''
}
