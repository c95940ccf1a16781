/** Opens what a restore writes: new files, and the directories of hard link targets. */
import { constants } from 'node:fs'
import { MODE_FILE, MODE_SYMLINK, MODE_TYPE_MASK } from '../../archive/tree-entry.ts'
import { isSystemError } from '../../base/errors.ts'
import { closeFd, openAt, statAt, unlinkAt } from '../../base/fs/native-at.ts'
import { systemError } from '../../base/fs/system-error.ts'

const O_PATH = 0o10000000
const O_CLOEXEC = 0o2000000
const CREATE =
  constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK | O_CLOEXEC
/** Until its permissions are set, a file is its owner's alone. */
const NEW_FILE_MODE = 0o600
const OPEN_STEP = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW | O_CLOEXEC

/** A descriptor of the new or emptied file `name` below `parent`. Errors: system errors. */
export function createFile(
  parent: number,
  name: string,
  options: { readonly overwriteFiles: boolean },
): number {
  if (!options.overwriteFiles) return openAt(parent, name, CREATE | constants.O_EXCL, NEW_FILE_MODE)
  const type = typeOf(parent, name)
  // Stock writes through the link; what that leads to may lie outside the target.
  if (type === MODE_SYMLINK) unlinkAt(parent, name)
  const isNew = type === null || type === MODE_SYMLINK
  if (!isNew && type !== MODE_FILE) throw systemError('EEXIST', 'openat', name)
  const how = isNew ? constants.O_EXCL : constants.O_TRUNC
  return openAt(parent, name, CREATE | how, NEW_FILE_MODE)
}

export interface LinkFolder {
  readonly fd: number
  /** Whether the caller has to close it. */
  readonly isOwn: boolean
}

/**
 * The directory that holds the last component of `target`, a path relative to `root`, reached without
 * following links. Errors: system errors, and one for a path that could lead outside.
 */
export function openLinkFolder(root: number, target: string): LinkFolder {
  if (target.startsWith('/')) throw new Error(`bad absolute file name in archive: ${quote(target)}`)
  const components = target.split('/')
  if (components.some((part) => part === '' || part === '.' || part === '..')) {
    throw new Error(`bad hard link target in archive: ${quote(target)}`)
  }
  let fd = root
  for (const part of components.slice(0, -1)) {
    try {
      const next = openAt(fd, part, OPEN_STEP)
      if (fd !== root) closeFd(fd)
      fd = next
    } catch (error) {
      if (fd !== root) closeFd(fd)
      throw error
    }
  }
  return { fd, isOwn: fd !== root }
}

function typeOf(parent: number, name: string): number | null {
  try {
    return statAt(parent, name).mode & MODE_TYPE_MASK
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
}

function quote(path: string): string {
  return JSON.stringify(Buffer.from(path, 'latin1').toString())
}
