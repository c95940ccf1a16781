/**
 * Reading a group for a list, with synchronous calls: run by a worker thread, where a snapshot costs a tenth of what
 * awaited calls take. What the asker knows of a snapshot is bound to the change time of its folder: every change of a
 * snapshot (files, manifest, protection) makes, renames or removes a name in it.
 */
import {
  closeSync,
  type Dirent,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  type Stats,
} from 'node:fs'
import type { Allocate } from '../../base/buffer-pool.ts'
import { isSystemError } from '../../base/errors.ts'
import { MANIFEST_NAME } from '../../formats/archive-name.ts'
import { BACKUP_TIME, parseBackupTime } from '../../formats/backup-time.ts'
import { decodeListedManifest } from '../../formats/manifest.ts'
import type { GroupRef } from '../../formats/names.ts'
import { OWNER_FILE, PROTECTED_FILE, SNAPSHOT_FILE } from '../layout.ts'
import type { StoredManifest } from '../manifest-store.ts'
import type { SnapshotListing } from '../snapshots.ts'

/** Inode, modification and change time of a folder. */
export const STAMP_LENGTH = 3

export interface GroupRequest {
  /** Folder of the group. */
  readonly path: string
  readonly group: GroupRef
  /** Times of the snapshots that are known, ascending, and `STAMP_LENGTH` numbers for each. */
  readonly knownTimes: Float64Array
  readonly knownStamps: Float64Array
}

export interface GroupAnswer {
  /** Content of the owner file; null if it cannot be read. */
  readonly owner: string | null
  /** Every snapshot there is, ascending; what vanishes meanwhile is left out. */
  readonly times: Float64Array
  readonly stamps: Float64Array
  /** For each its description; null where the known one still holds. */
  readonly texts: readonly (string | null)[]
}

/** Describes one snapshot as the asker wants to keep it. */
export type Describe = (listing: SnapshotListing, manifest: StoredManifest | null) => string

/** Encoded; as for any other read of a manifest. */
const MANIFEST_BLOB_SIZE_MAX = 16 << 20

/** Reads a group; one that is missing is empty. `check` throws when nobody wants it any more. */
export function readGroup(
  request: GroupRequest,
  describe: Describe,
  check: () => void,
): GroupAnswer {
  const known = new Map(Array.from(request.knownTimes, (time, index) => [time, index]))
  const times: number[] = []
  const stamps: number[] = []
  const texts: (string | null)[] = []
  for (const { time, name } of snapshotsIn(request.path)) {
    check()
    const path = `${request.path}/${name}`
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat?.isDirectory() !== true) continue
    const stamp = stampOf(stat)
    const index = known.get(time)
    const isKnown = index !== undefined && isSame(request.knownStamps, index, stamp)
    const text = isKnown ? null : describeFolder(path, { ...request.group, time }, describe)
    if (text === undefined) continue
    times.push(time)
    stamps.push(...stamp)
    texts.push(text)
  }
  const owner = readOwner(`${request.path}/${OWNER_FILE}`)
  return { owner, times: Float64Array.from(times), stamps: Float64Array.from(stamps), texts }
}

/** Oldest first. */
function snapshotsIn(path: string): { readonly time: number; readonly name: string }[] {
  const found: { time: number; name: string }[] = []
  for (const name of namesIn(path)) {
    const time = timeOf(name)
    if (time !== null) found.push({ time, name })
  }
  return found.sort((a, b) => a.time - b.time)
}

function timeOf(name: string): number | null {
  if (!BACKUP_TIME.test(name)) return null
  try {
    return parseBackupTime(name)
  } catch {
    // Looks like a time and is none (30 February): not a snapshot.
    return null
  }
}

function namesIn(path: string): string[] {
  return unlessGone(() => readdirSync(path)) ?? []
}

/** Undefined if the folder vanished. */
function describeFolder(
  path: string,
  ref: SnapshotListing['ref'],
  describe: Describe,
): string | undefined {
  const entries = unlessGone((): Dirent[] => readdirSync(path, { withFileTypes: true }))
  if (entries === null) return undefined
  const files = entries
    .filter((entry) => SNAPSHOT_FILE.test(entry.name) && entry.isFile())
    .map((entry) => entry.name)
    .toSorted()
  const isProtected = entries.some((entry) => entry.name === PROTECTED_FILE)
  const finished = files.includes(MANIFEST_NAME)
  const manifest = finished ? readManifest(`${path}/${MANIFEST_NAME}`) : null
  return describe({ ref, files, protected: isProtected, finished }, manifest)
}

/** Null if what it reads is gone. */
function unlessGone<Result>(read: () => Result): Result | null {
  try {
    return read()
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}

function readManifest(path: string): StoredManifest | null {
  try {
    const blob = readShort(path)
    if (blob.length > MANIFEST_BLOB_SIZE_MAX) return null
    return { manifest: decodeListedManifest(blob, giveText), blobSize: blob.length }
  } catch {
    // Missing or broken: lists show the files that are there.
    return null
  }
}

/** Used again for every manifest: a thread reads one at a time. Nearly all have less than 2 KiB. */
const SHORT_SIZE = 64 << 10
const stored = new Uint8Array(SHORT_SIZE)
const decoded = new Uint8Array(SHORT_SIZE)

const giveText: Allocate = (size) =>
  size <= SHORT_SIZE ? decoded.subarray(0, size) : new Uint8Array(size)

/** The content of a file, until the next call. */
function readShort(path: string): Uint8Array {
  const fd = openSync(path, 'r')
  try {
    for (let size = 0; size < SHORT_SIZE; ) {
      const count = readSync(fd, stored, size, SHORT_SIZE - size, size)
      if (count === 0) return stored.subarray(0, size)
      size += count
    }
  } finally {
    closeSync(fd)
  }
  return readFileSync(path)
}

function readOwner(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

function stampOf({ ino, mtimeMs, ctimeMs }: Stats): [number, number, number] {
  return [ino, mtimeMs, ctimeMs]
}

function isSame(stamps: Float64Array, index: number, stamp: readonly number[]): boolean {
  return stamp.every((value, offset) => stamps[index * STAMP_LENGTH + offset] === value)
}
