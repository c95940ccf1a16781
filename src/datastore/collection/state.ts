/** What a store's operations and its collection know of each other; one per core, so one per store (races.md R-66). */
import { releaseOnce, WaitList } from '../../base/async/wait-list.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import {
  formatGroup,
  formatSnapshot,
  type GroupRef,
  type SnapshotRef,
} from '../../formats/names.ts'
import { namespaceFolder, type NamespacePath } from '../../formats/namespace.ts'
import { errors } from '../errors.ts'
import { RemovalLog } from './removal-log.ts'

/** Something that is about to be removed, or moved away from this place. */
export type Removal =
  | { readonly kind: 'snapshot'; readonly ns: NamespacePath; readonly ref: SnapshotRef }
  | { readonly kind: 'group'; readonly ns: NamespacePath; readonly group: GroupRef }
  | { readonly kind: 'namespace'; readonly ns: NamespacePath }

export class CollectionState {
  readonly removals: RemovalLog
  /** Folder for what collections remember of this store: `collection` in its state folder. */
  readonly folder: string
  /** Paths of removals that were noted and are not over. */
  readonly #leaving = new Set<readonly string[]>()
  #isRunning = false
  #moves = 0
  readonly #moveWaiters = new WaitList<null>()

  /** `folder` belongs to this store alone; made when needed. */
  constructor(fs: FileSystem, folder: string) {
    this.folder = folder
    this.removals = new RemovalLog(fs, `${folder}/removals`)
  }

  /** Whether a collection of this process runs. */
  get isRunning(): boolean {
    return this.#isRunning
  }

  /** A collection begins: one at a time. Throws COLLECTION_RUNNING with stock's text. */
  begin(): Disposable {
    if (this.#isRunning) throw errors.COLLECTION_RUNNING({})
    this.#isRunning = true
    return releaseOnce(() => {
      this.#isRunning = false
    })
  }

  /**
   * To be awaited before a snapshot, group or namespace is removed or moved away: a collection would take it for
   * vanished otherwise and keep all its chunks (races.md R-69). Throws system errors: then it must not be removed. The
   * result is to be disposed of when it is gone, or stays after all: a note about what stays explains nothing later.
   */
  async noteRemoval(...removals: readonly Removal[]): Promise<Disposable> {
    const paths = removals.map(pathOf)
    this.#leaving.add(paths)
    const leaving = releaseOnce(() => void this.#leaving.delete(paths))
    try {
      // They share a few syncs.
      await Promise.all(paths.map(async (path) => await this.removals.note(path)))
      return leaving
    } catch (error) {
      leaving[Symbol.dispose]()
      throw error
    }
  }

  /** Paths of removals that were noted and may still come. */
  get leaving(): ReadonlySet<string> {
    return new Set([...this.#leaving].flat())
  }

  /**
   * To be awaited when a snapshot was finished, or came here by a move: the next collection does not know it, and would
   * take its chunks for garbage if it vanished before (races.md R-69). `uuids` are those of its indexes, hex.
   */
  async noteArrival(ns: NamespacePath, ref: SnapshotRef, uuids: readonly string[]): Promise<void> {
    if (uuids.length === 0) return
    await this.removals.noteArrival(pathOf({ kind: 'snapshot', ns, ref }), uuids)
  }

  /**
   * Held around the rename of an index to another place. The caller has registered every digest of it in a live
   * session before (races.md R-61); a collection that begins waits until no rename is in flight.
   */
  enterMove(): Disposable {
    this.#moves += 1
    return releaseOnce(() => {
      this.#moves -= 1
      while (this.#moves === 0 && this.#moveWaiters.size > 0) this.#moveWaiters.wakeFirst()
    })
  }

  /** Resolves when no rename is in flight. */
  async untilNoMoves(signal?: AbortSignal): Promise<void> {
    while (this.#moves > 0) await this.#moveWaiters.wait(null, signal, () => {})
  }

  /** Ends what is open; notes may begin again after it. */
  async close(): Promise<void> {
    await this.removals.close()
  }
}

/** Below the datastore's folder. */
function pathOf(removal: Removal): string {
  const folder = removal.ns === '' ? '' : `${namespaceFolder(removal.ns)}/`
  switch (removal.kind) {
    case 'snapshot':
      return `${folder}${formatSnapshot(removal.ref)}`
    case 'group':
      return `${folder}${formatGroup(removal.group)}`
    case 'namespace':
      return folder.slice(0, -1)
    default:
      return removal satisfies never
  }
}
