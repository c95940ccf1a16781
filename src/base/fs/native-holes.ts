/** Where data lies and where a file ends, by seeking: reading holes costs as much as reading data. */
import { nativeCall } from './native.ts'

const LSEEK = 'int64_t lseek(int fd, int64_t offset, int whence)'
const SEEK_END = 2
const SEEK_DATA = 3

/**
 * Offset of the first data at or behind `offset`, null if only a hole is left. Where the system cannot
 * tell, everything is data: `offset` itself. Moves the descriptor's own position.
 */
export function nextDataOffset(fd: number, offset: number): number | null {
  try {
    const found = nativeCall(LSEEK, [fd, offset, SEEK_DATA], { allowed: ['ENXIO'] })
    return found === null || found >= offset ? found : offset
  } catch {
    // EINVAL, ENOTSUP, ESPIPE: a file system without holes; or there are no native calls here.
    return offset
  }
}

/** Where the file or block device ends; null where the system cannot tell. Moves the descriptor's own position. */
export function endOffset(fd: number): number | null {
  try {
    return nativeCall(LSEEK, [fd, 0, SEEK_END])
  } catch {
    return null
  }
}
