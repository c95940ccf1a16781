/**
 * What must add up before anything is removed (races.md 9.5, R-02, R-15, R-69): a folder that is another one than at
 * the start, a clock that was set, indexes that are gone without anybody having removed them. A false alarm costs a
 * run, the other error somebody's data.
 */
import { isSystemError } from '../../base/errors.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import type { Clock } from '../../base/time/clock.ts'
import type { Datastore } from '../datastore.ts'
import { quote } from '../debug-text.ts'
import { errors } from '../errors.ts'
import { PROCESS_LOCK_FILE } from '../layout.ts'
import { uuidOf } from './mark-index.ts'
import { explanationOf } from './removal-log.ts'
import type { Roots } from './roots.ts'
import { chunksFolder, type RunStart } from './run.ts'
import { filterInSteps, forEachInSteps } from './in-steps.ts'
import { groupFolderOf, isExpectedPlace, type RootFile } from './walk-roots.ts'

/** Clocks that are steered gently differ by less in a run of any length that matters. */
const CLOCK_DIFFERENCE_MAX_MS = 60_000

/** Throws COLLECTION_UNSAFE if the wall clock was set since the start. */
export function checkClock(clock: Clock, start: RunStart): void {
  const wallMs = clock.now() - start.wallMs
  const elapsedMs = clock.monotonic() - start.monotonicMs
  if (wallMs >= 0 && Math.abs(wallMs - elapsedMs) <= CLOCK_DIFFERENCE_MAX_MS) return
  const seconds = Math.round((wallMs - elapsedMs) / 1000)
  throw errors.COLLECTION_UNSAFE({ reason: `the system time was set by ${seconds} s meanwhile` })
}

/** Device and inode of the folders that everything hangs on. */
export class FolderIdentities {
  readonly #fs: FileSystem
  readonly #known = new Map<string, string>()

  constructor(fs: FileSystem) {
    this.#fs = fs
  }

  /** What it is now; null if it is missing. */
  async read(path: string): Promise<string | null> {
    try {
      const { dev, ino } = await this.#fs.stat(path)
      return `${dev}:${ino}`
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return null
      throw error
    }
  }

  async remember(path: string): Promise<void> {
    const identity = await this.read(path)
    if (identity !== null) this.#known.set(path, identity)
  }

  /** Remembered folders that are others now, or gone. */
  async changed(): Promise<string[]> {
    const paths: string[] = []
    for (const [path, identity] of this.#known) {
      if ((await this.read(path)) !== identity) paths.push(path)
    }
    return paths
  }
}

/** The store itself: its folder, its chunks, its lock. */
export async function rememberStore(store: Datastore): Promise<FolderIdentities> {
  const identities = new FolderIdentities(store.fs)
  await identities.remember(store.path)
  await identities.remember(chunksFolder(store))
  return identities
}

/** Throws COLLECTION_UNSAFE if the store is not the one that was opened any more. */
export async function checkStore(store: Datastore, identities: FolderIdentities): Promise<void> {
  for (const path of await identities.changed()) {
    throw errors.COLLECTION_UNSAFE({ reason: `${quote(path)} is not the folder it was` })
  }
  const lock = `${store.path}/${PROCESS_LOCK_FILE}`
  if ((await identities.read(lock)) === store.core.identity) return
  throw errors.COLLECTION_UNSAFE({ reason: `${quote(lock)} is not the file that is locked` })
}

/**
 * Throws COLLECTION_UNSAFE if nobody here removed what vanished during the run: all snapshots of a group that is still
 * there; an index that was listed and is gone with its group when it is to be read, as when a namespace is unmounted; or
 * a group that is another folder now.
 */
export async function checkRoots(
  store: Datastore,
  roots: Roots,
  groups: FolderIdentities,
): Promise<void> {
  const left = new Set<string>()
  await forEachInSteps(roots.files, ({ path }) => left.add(groupFolderOf(path)))
  const emptied = await filterInSteps(
    roots.firstFiles,
    ({ path }) => isExpectedPlace(path) && !left.has(groupFolderOf(path)),
  )
  const changed = await groups.changed()
  if (emptied.length === 0 && changed.length === 0 && roots.unread.size === 0) return
  const removed = await store.core.collection.removals.read()
  const emptiedPaths = new Set(emptied.map(({ path }) => path))
  for (const path of emptiedPaths.union(roots.unread)) {
    if (explanationOf(path, removed) !== null) continue
    const folder = `${store.path}/${groupFolderOf(path)}`
    const isGone = (await groups.read(folder)) === null
    // A group that goes after its indexes were read costs nothing; single ones may be another program's removal.
    if (!(isGone ? roots.unread : emptiedPaths).has(path)) continue
    const reason = `all snapshots in ${quote(folder)} vanished, and nobody here removed them`
    throw errors.COLLECTION_UNSAFE({ reason })
  }
  for (const folder of changed) {
    const path = folder.slice(store.path.length + 1)
    if ((await groups.read(folder)) === null || isExplainedBelow(path, removed)) continue
    throw errors.COLLECTION_UNSAFE({ reason: `${quote(folder)} is not the folder it was` })
  }
}

/**
 * Throws COLLECTION_UNSAFE if a snapshot that came since the last complete run is gone, and nobody here removed it: no
 * list of its chunks was kept. `arrivals`: UUIDs of the indexes by the path of the snapshot.
 */
export async function checkArrivals(
  store: Datastore,
  roots: Roots,
  arrivals: ReadonlyMap<string, readonly string[]>,
): Promise<void> {
  if (arrivals.size === 0) return
  const known = new Set<string>()
  await forEachInSteps(roots.entries, ({ identity }) => known.add(uuidOf(identity)))
  const gone = await filterInSteps([...arrivals], ([, uuids]) => {
    return !uuids.every((uuid) => known.has(uuid))
  })
  if (gone.length === 0) return
  const removed = await store.core.collection.removals.read()
  const vanished = gone.filter(([path]) => explanationOf(path, removed) === null)
  const [first] = vanished
  if (first === undefined) return
  const reason =
    `${vanished.length} snapshots that came since the last collection are gone and nobody here removed them, ` +
    `the first is ${quote(`${store.path}/${first[0]}`)}; if they are meant to be gone, confirm that`
  throw errors.COLLECTION_UNSAFE({ reason })
}

/** The groups of `files`, as they are now. */
export async function rememberGroups(
  store: Datastore,
  files: readonly RootFile[],
): Promise<FolderIdentities> {
  const identities = new FolderIdentities(store.fs)
  const folders = new Set<string>()
  await forEachInSteps(files, ({ path }) => {
    if (isExpectedPlace(path)) folders.add(groupFolderOf(path))
  })
  for (const folder of folders) await identities.remember(`${store.path}/${folder}`)
  return identities
}

/** A group goes with its last snapshot, and may be made again. */
function isExplainedBelow(group: string, removed: ReadonlySet<string>): boolean {
  if (explanationOf(group, removed) !== null) return true
  for (const path of removed) if (path.startsWith(`${group}/`)) return true
  return false
}
