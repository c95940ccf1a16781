/** Opens entries of a folder for a backup: without following links, without waiting, without a trace. */
import { constants } from 'node:fs'
import {
  MODE_BLOCK_DEVICE,
  MODE_CHAR_DEVICE,
  MODE_DIRECTORY,
  MODE_FIFO,
  MODE_FILE,
  MODE_SOCKET,
  MODE_SYMLINK,
  MODE_TYPE_MASK,
} from '../../archive/tree-entry.ts'
import { isSystemError } from '../../base/errors.ts'
import { closeFd, type NativeStat, openAt, statFd } from '../../base/fs/native-at.ts'

// The same on x86-64 and arm64; Node has no names for them.
const O_PATH = 0o10000000
const O_CLOEXEC = 0o2000000
const OPEN_ANY = constants.O_NOFOLLOW | constants.O_NOCTTY | O_CLOEXEC
/** Not blocking: between listing and opening, a name may have become a FIFO. */
const OPEN_READ = OPEN_ANY | constants.O_RDONLY | constants.O_NONBLOCK
/** A name that changes its kind this often while it is opened is given up. */
const ATTEMPTS_MAX = 3

export interface OpenEntry {
  readonly fd: number
  readonly stat: NativeStat
  /** Whether content and attributes can be read; else it is open with O_PATH. */
  readonly isReadable: boolean
}

/** `d_type` of getdents64 as file type bits; 0 where the file system does not say. */
export function modeOfDirentType(type: number): number {
  switch (type) {
    case 1:
      return MODE_FIFO
    case 2:
      return MODE_CHAR_DEVICE
    case 4:
      return MODE_DIRECTORY
    case 6:
      return MODE_BLOCK_DEVICE
    case 8:
      return MODE_FILE
    case 10:
      return MODE_SYMLINK
    case 12:
      return MODE_SOCKET
    default:
      return 0
  }
}

/**
 * Opens `name`, which was a `mode` when it was listed: files and directories for reading, others with
 * O_PATH. Null if it changes its kind again and again. Errors: system errors; the caller closes.
 */
export function openEntry(folder: number, name: string, mode: number): OpenEntry | null {
  let isReadable = canBeRead(mode)
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const fd = isReadable ? openForReading(folder, name) : tryOpen(folder, name, OPEN_ANY | O_PATH)
    if (fd !== null) {
      const stat = statOrClose(fd)
      if (canBeRead(stat.mode) === isReadable) return { fd, stat, isReadable }
      closeFd(fd)
    }
    isReadable = !isReadable
  }
  return null
}

/** A descriptor for reading, without a new access time where the kernel allows that. */
function openForReading(folder: number, name: string): number | null {
  try {
    return openAt(folder, name, OPEN_READ | constants.O_NOATIME)
  } catch (error) {
    if (!isSystemError(error, 'EPERM')) return nullIfOtherKind(error)
    return tryOpen(folder, name, OPEN_READ)
  }
}

function tryOpen(folder: number, name: string, flags: number): number | null {
  try {
    return openAt(folder, name, flags)
  } catch (error) {
    return nullIfOtherKind(error)
  }
}

/** ELOOP: it is a link now; ENXIO: a socket, or a device without driver. */
function nullIfOtherKind(error: unknown): null {
  if (isSystemError(error, 'ELOOP', 'ENXIO')) return null
  throw error
}

function statOrClose(fd: number): NativeStat {
  try {
    return statFd(fd)
  } catch (error) {
    closeFd(fd)
    throw error
  }
}

function canBeRead(mode: number): boolean {
  const type = mode & MODE_TYPE_MASK
  return type === MODE_FILE || type === MODE_DIRECTORY
}
