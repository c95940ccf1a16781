/**
 * All index files of a datastore: the whole folder is walked, whatever the layout says, because what is missed here is
 * deleted (datastore-semantics.md 12.4, races.md R-06). Hidden names are skipped, mount points are crossed. Anything
 * that cannot be read ends the walk; only what vanished does not.
 *
 * Links are followed where a restore would follow them: somebody who moved a type folder, a namespace or a group to
 * another disk and left a link still has those backups. Elsewhere they are not.
 */
import { forEachConcurrent } from '../../base/async/map-concurrent.ts'
import { isSystemError } from '../../base/errors.ts'
import type { DirEntry, FileKind, FileSystem } from '../../base/fs/file-system.ts'
import { indexKindOf } from '../../formats/index-layout.ts'
import { osErrorText } from '../../storage/os-error-text.ts'
import { quote } from '../debug-text.ts'
import { errors } from '../errors.ts'
import { CHUNKS_FOLDER } from '../layout.ts'
import { isSnapshotTemporary } from './snapshot-temporaries.ts'

export interface RootFile {
  /** Below the datastore's folder. */
  readonly path: string
  readonly dev: bigint
  readonly ino: bigint
  readonly ctimeNs: bigint
  readonly size: number
}

/** Calls at once: enough to hide the turns of the event loop. */
const FOLDERS_AT_ONCE = 16
const SNAPSHOT_FOLDER =
  /^(?:ns\/[^/]+\/)*(?:vm|ct|host)\/[^/]+\/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\/[^/]+$/
/** Where a namespace, a type, a group or a snapshot has its folder. */
const STRUCTURE_FOLDER =
  /^(?:ns\/[^/]+\/)*(?:(?<namespaces>ns)|ns\/[^/]+|(?:vm|ct|host)(?<below>(?:\/[^/]+){0,2}))$/
/** What Node puts for bytes that are not UTF-8. */
const NOT_UTF8 = '\uFFFD'
/** ext4's own; it may be unreadable, and nobody keeps snapshots in it. */
const LOST_AND_FOUND = 'lost+found'

/** Whether the file lies where snapshots are (formats.md 9.1). */
export function isExpectedPlace(path: string): boolean {
  return SNAPSHOT_FOLDER.test(path)
}

/** Group of an index in its expected place: the folder above its snapshot. */
export function groupFolderOf(path: string): string {
  return path.split('/').slice(0, -2).join('/')
}

/** In no order. Throws COLLECTION_MARK_FAILED, COLLECTION_UNSAFE (another datastore inside this one). */
export async function walkRoots(
  fs: FileSystem,
  base: string,
  options: {
    readonly signal?: AbortSignal | undefined
    /** Told of each temporary file of a snapshot or a group, by its path below the folder. */
    readonly onTemporary?: (path: string) => void
  },
): Promise<RootFile[]> {
  const { signal, onTemporary } = options
  const found: RootFile[] = []
  const linked = new Set<string>()
  let level = ['']
  while (level.length > 0) {
    const below: string[] = []
    const bounds = { concurrency: FOLDERS_AT_ONCE, signal }
    await forEachConcurrent(level, bounds, async (folder) => {
      await readFolder(fs, base, { folder, found, below, linked, onTemporary })
    })
    level = below
  }
  return found
}

async function readFolder(
  fs: FileSystem,
  base: string,
  walk: {
    readonly folder: string
    readonly found: RootFile[]
    readonly below: string[]
    /** Device and inode of each folder that was reached by a link: none twice, however links go round. */
    readonly linked: Set<string>
    readonly onTemporary: ((path: string) => void) | undefined
  },
): Promise<void> {
  const { folder, found, below } = walk
  for (const entry of await entriesOf(fs, base, folder)) {
    const { name } = entry
    if (name === CHUNKS_FOLDER && folder !== '') {
      const reason = `nested datastore in ${quote(`${base}/${folder}`)}`
      throw errors.COLLECTION_UNSAFE({ reason })
    }
    if (name.startsWith('.')) continue
    const path = folder === '' ? name : `${folder}/${name}`
    const mayHoldIndexes = entry.kind === 'folder' || indexKindOf(name) !== null
    if (mayHoldIndexes && name.includes(NOT_UTF8)) refuseUnreadable(`${base}/${path}`)
    const kind = entry.kind === 'link' ? await kindBehind(fs, base, path, walk.linked) : entry.kind
    if (kind === 'folder') below.push(path)
    else if (kind === 'file' && indexKindOf(name) !== null) {
      const root = await lookAt(fs, base, path, entry)
      if (root !== null) found.push(root)
    } else if (kind === 'file' && isSnapshotTemporary(name)) walk.onTemporary?.(path)
  }
}

async function entriesOf(fs: FileSystem, base: string, folder: string) {
  const path = folder === '' ? base : `${base}/${folder}`
  try {
    return await fs.readDir(path)
  } catch (error) {
    if (folder !== '' && isSystemError(error, 'ENOENT')) return []
    if (folder === LOST_AND_FOUND && isSystemError(error, 'EACCES', 'EPERM')) return []
    throw walkFailure(path, error)
  }
}

/** What a link leads to; `link` for one that is left alone: followed before, or where no backups are. */
async function kindBehind(
  fs: FileSystem,
  base: string,
  path: string,
  linked: Set<string>,
): Promise<FileKind> {
  try {
    const { kind, dev, ino } = await fs.stat(`${base}/${path}`)
    if (kind !== 'folder') return kind
    const level = levelOf(path)
    // By level: links below a type folder are followed that are left alone below a snapshot.
    const identity = `${dev}:${ino} ${level}`
    if (level === null || linked.has(identity)) return 'link'
    linked.add(identity)
    return 'folder'
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw walkFailure(`${base}/${path}`, error)
    if (await leadsAstray(fs, base, path)) {
      const reason = `link ${quote(`${base}/${path}`)} leads nowhere: is a disk missing?`
      throw errors.COLLECTION_UNSAFE({ reason })
    }
    return 'link'
  }
}

/** Where in the structure a folder is; null if no backups are there. */
function levelOf(path: string): string | null {
  const groups = STRUCTURE_FOLDER.exec(path)?.groups
  if (groups === undefined) return null
  if (groups['namespaces'] !== undefined) return 'namespaces'
  return `${groups['below']?.split('/').length ?? 'namespace'}`
}

/** Nothing below it can be opened by such a name, and stock marks what it finds there. */
function refuseUnreadable(path: string): never {
  const reason = `cannot continue garbage-collection safely, the name is not UTF-8: ${quote(path)}`
  throw errors.COLLECTION_MARK_FAILED({ reason })
}

/** Whether a link that leads nowhere stands where backups are: they may be on a disk that is not there at the moment. */
async function leadsAstray(fs: FileSystem, base: string, path: string): Promise<boolean> {
  if (levelOf(path) === null && indexKindOf(path) === null) return false
  try {
    return (await fs.lstat(`${base}/${path}`)).kind === 'link'
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw walkFailure(`${base}/${path}`, error)
  }
}

async function lookAt(
  fs: FileSystem,
  base: string,
  path: string,
  entry: DirEntry,
): Promise<RootFile | null> {
  try {
    const full = `${base}/${path}`
    const stat = entry.kind === 'link' ? await fs.stat(full) : await fs.lstat(full)
    const { dev, ino, ctimeNs, size } = stat
    return { path, dev, ino, ctimeNs, size }
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw walkFailure(`${base}/${path}`, error)
  }
}

function walkFailure(path: string, error: unknown): Error {
  const reason = isSystemError(error, 'EACCES', 'EPERM')
    ? `cannot continue garbage-collection safely, permission denied on: ${quote(path)}`
    : `unexpected error on datastore traversal: ${osErrorText(error)} - ${quote(path)}`
  return errors.COLLECTION_MARK_FAILED({ reason }, { cause: error })
}
