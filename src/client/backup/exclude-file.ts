/** Reads the `.pxarexclude` of an open folder (pxar.md 12.3 and 13.3). */
import { constants, fstatSync, readSync } from 'node:fs'
import { errorChain } from '../../base/errors.ts'
import { closeFd, openAt } from '../../base/fs/native-at.ts'
import { type ExcludePattern, parseExcludeFile, quotePath } from './exclude-patterns.ts'

/** A list of patterns is far smaller; and the name may be a link to anywhere, as for stock. */
const SIZE_MAX = 4 * 1024 * 1024
const O_CLOEXEC = 0o2000000
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | O_CLOEXEC

/** The patterns of file `name` in `folder`, whose path is `directory`; empty with a warning if unreadable. */
export function readExcludeFile(
  folder: number,
  name: string,
  directory: string,
  onWarning: (line: string) => void,
): ExcludePattern[] {
  try {
    const fd = openAt(folder, name, FLAGS)
    try {
      return parseExcludeFile(readAll(fd), directory, onWarning)
    } finally {
      closeFd(fd)
    }
  } catch (error) {
    const place = quotePath(directory === '' ? name : `${directory}/${name}`)
    onWarning(`ignoring ${place}: ${errorChain(error)}`)
    return []
  }
}

function readAll(fd: number): Buffer {
  const stat = fstatSync(fd)
  if (!stat.isFile()) throw new Error('no regular file')
  if (stat.size > SIZE_MAX) throw new Error(`larger than ${SIZE_MAX} bytes`)
  const bytes = Buffer.alloc(stat.size)
  let size = 0
  for (let count = -1; count !== 0 && size < bytes.length; size += count) {
    count = readSync(fd, bytes, size, bytes.length - size, null)
  }
  return bytes.subarray(0, size)
}
