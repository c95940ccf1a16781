/** Every path of a datastore's tree and of its lock files; pure (formats.md 9.1, 9.6, 9.7; datastore-semantics.md 5.2). */
import { createHash } from 'node:crypto'
import { formatBackupTime } from '../formats/backup-time.ts'
import { formatGroup, formatSnapshot, type GroupRef, type SnapshotRef } from '../formats/names.ts'
import { namespaceFolder, type NamespacePath } from '../formats/namespace.ts'

export const CHUNKS_FOLDER = '.chunks'
export const PROCESS_LOCK_FILE = '.lock'
export const OWNER_FILE = 'owner'
export const NOTES_FILE = 'notes'
export const PROTECTED_FILE = '.protected'
export const NAMESPACES_FOLDER = 'ns'

/** A snapshot on its way out is first renamed to this: invisible at once for every observer. */
export const REMOVED_PREFIX = '.removed-'
/**
 * The manifest of an unfinished session, with the session's id behind it: empty from the session's start on, so that
 * it also says whose folder this is; renamed to its real name as the last step of finish (races.md R-62).
 */
export const PENDING_MANIFEST_PREFIX = '.index.json.blob.pending-'

/** In the folder of a session that failed at its very end: whatever the bucket has of it, it is not finished. */
export const FAILED_FILE = '.failed'

/** In the folder of a snapshot whose removal from the bucket began: what is there may be half of it. */
export const REMOVING_FILE = '.removing'

/** Files that listings show: regular files of these names. */
export const SNAPSHOT_FILE = /^.*\.(?:[fd]idx|blob)$/

const ESCAPED_NAME_SIZE_MAX = 255
const HASHED_PART_LENGTH = 80
/** What a unit's name does not hold as it is. */
const ESCAPED = /^\.|[^A-Za-z0-9_.]/gu

/** The folder of a namespace; the datastore's own for root. */
export function namespacePath(base: string, ns: NamespacePath): string {
  return ns === '' ? base : `${base}/${namespaceFolder(ns)}`
}

export function groupPath(base: string, ns: NamespacePath, group: GroupRef): string {
  return `${namespacePath(base, ns)}/${formatGroup(group)}`
}

export function snapshotPath(base: string, ns: NamespacePath, ref: SnapshotRef): string {
  return `${namespacePath(base, ns)}/${formatSnapshot(ref)}`
}

/** Below the datastore's folder, as task logs print it: `ns/a/host/x/2026-01-01T00:00:00Z`. */
export function relativeSnapshotPath(ns: NamespacePath, ref: SnapshotRef): string {
  return ns === '' ? formatSnapshot(ref) : `${namespaceFolder(ns)}/${formatSnapshot(ref)}`
}

/** Below the datastore's folder; empty for root. */
export function relativeNamespacePath(ns: NamespacePath): string {
  return ns === '' ? '' : namespaceFolder(ns)
}

/** Below the datastore's folder: `ns/a/host/x`. */
export function relativeGroupPath(ns: NamespacePath, group: GroupRef): string {
  return ns === '' ? formatGroup(group) : `${namespaceFolder(ns)}/${formatGroup(group)}`
}

/** Name of an open index: the extension is replaced (`a.img.fidx` gives `a.img.tmp_fidx`). */
export function temporaryIndexName(fileName: string): string {
  const stem = fileName.slice(0, -'.fidx'.length)
  return `${stem}.tmp_${fileName.slice(-'fidx'.length)}`
}

/** Folder of the lock files of a namespace; root has none of its own. */
export function lockFolder(locks: string, store: string, ns: NamespacePath): string {
  const folder = `${locks}/${store}`
  return ns === '' ? folder : `${folder}/${ns.replaceAll('/', ':')}`
}

export function groupLockName(group: GroupRef): string {
  return lockName(formatGroup(group))
}

export function snapshotLockName(ref: SnapshotRef): string {
  return lockName(formatSnapshot(ref))
}

export function manifestLockName(ref: SnapshotRef): string {
  return lockName(`${formatSnapshot(ref)}/.index.json.lck`)
}

/** The escaped name below the namespace's lock folder; a name too long for a file is shortened and hashed. */
export function lockName(path: string): string {
  const escaped = escapeUnit(path)
  if (escaped.length < ESCAPED_NAME_SIZE_MAX) return escaped
  const hash = createHash('sha256').update(path).digest('hex')
  const head = escaped.slice(0, HASHED_PART_LENGTH)
  return `hashed/${head}...${escaped.slice(-HASHED_PART_LENGTH)}-${hash}`
}

/** systemd's unit escaping without its rule for paths: `/` to `-`, all but `[A-Za-z0-9_.]` to `\xNN`. */
export function escapeUnit(text: string): string {
  return text.replaceAll(ESCAPED, (character) => {
    if (character === '/') return '-'
    return Buffer.from(character).reduce((escaped, byte) => escaped + escapeByte(byte), '')
  })
}

function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`
}

/** Name of the folder a snapshot gets when its removal begins. */
export function removedName(ref: SnapshotRef, suffix: string): string {
  return `${REMOVED_PREFIX}${formatBackupTime(ref.time)}-${suffix}`
}
