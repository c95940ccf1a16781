/** Holes of sparse files: reading them costs as much as reading data, asking for them nothing. */
import { nativeCall } from './native.ts'

const LSEEK = 'int64_t lseek(int fd, int64_t offset, int whence)'
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
