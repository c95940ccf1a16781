/** The 65,536 folders of a chunk store, made or checked in one go with synchronous calls (in a worker thread). */
import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs'

const PREFIX_COUNT = 65_536
const PREFIX_FOLDER_MODE = 0o750
const MODE_MASK = 0o7777

export interface CreateFoldersTask {
  readonly kind: 'create-folders'
  /** The `.chunks` folder, which exists. */
  readonly folder: string
  readonly owner: { readonly uid: number; readonly gid: number } | null
  /** `check` looks at existing ones instead of making them. */
  readonly mode: 'create' | 'check'
}

export interface CreateFoldersResult {
  /** The first folder that is missing or not as it must be; null if all are well. */
  readonly wrong: { readonly path: string; readonly reason: 'missing' | 'permissions' } | null
}

export interface CreateFoldersHooks {
  /** Called with 1 … 99. */
  onPercent(percent: number): void
  check(): void
}

/** Makes or checks `0000` to `ffff`. System errors but absence are thrown. */
export function createPrefixFolders(
  task: CreateFoldersTask,
  hooks: CreateFoldersHooks,
): CreateFoldersResult {
  let percentBefore = 0
  for (let prefix = 0; prefix < PREFIX_COUNT; prefix += 1) {
    const path = `${task.folder}/${prefix.toString(16).padStart(4, '0')}`
    if (task.mode === 'create') createFolder(path, task.owner)
    else {
      const reason = problemOf(path, task.owner)
      if (reason !== null) return { wrong: { path, reason } }
    }
    const percent = Math.floor((prefix * 100) / PREFIX_COUNT)
    if (percent === percentBefore) continue
    percentBefore = percent
    hooks.check()
    hooks.onPercent(percent)
  }
  return { wrong: null }
}

function createFolder(path: string, owner: CreateFoldersTask['owner']): void {
  mkdirSync(path, { mode: PREFIX_FOLDER_MODE })
  if ((process.umask() & PREFIX_FOLDER_MODE) !== 0) chmodSync(path, PREFIX_FOLDER_MODE)
  if (owner !== null) chownSync(path, owner.uid, owner.gid)
}

function problemOf(path: string, owner: CreateFoldersTask['owner']) {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return 'missing'
  const isOwned = owner === null || (stat.uid === owner.uid && stat.gid === owner.gid)
  return (stat.mode & MODE_MASK) === PREFIX_FOLDER_MODE && isOwned ? null : 'permissions'
}
