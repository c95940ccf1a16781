/** Copies the content of one file into an archive that has already announced its size. */
import { readSync } from 'node:fs'
import type { PieceWriter } from '../../archive/pxar/piece-writer.ts'
import { isSystemError } from '../../base/errors.ts'

export type ContentChange = 'shrunk' | 'grown' | null

/**
 * Writes exactly `size` bytes: read from `fd` straight into the output, zeros for what is missing.
 * Holes are read as zeros: the format knows none. Says whether the file has changed its size.
 * Errors: system errors of reading.
 */
export function copyContent(fd: number, size: number, out: PieceWriter): ContentChange {
  let left = size
  for (;;) {
    // One byte more is asked for: it shows that the file has grown without another call.
    const room = out.reserve(left + 1)
    const count = readInto(fd, room)
    if (count > left) {
      out.commit(left)
      return 'grown'
    }
    out.commit(count)
    left -= count
    if (count === 0 && left > 0) {
      fillZeros(out, left)
      return 'shrunk'
    }
    // A short read of a regular file is its end.
    if (left === 0 && count < room.length) return null
  }
}

function readInto(fd: number, room: Buffer): number {
  for (;;) {
    try {
      return readSync(fd, room, 0, room.length, null)
    } catch (error) {
      if (!isSystemError(error, 'EINTR')) throw error
    }
  }
}

function fillZeros(out: PieceWriter, size: number): void {
  for (let left = size; left > 0; ) {
    const room = out.reserve(left)
    room.fill(0)
    out.commit(room.length)
    left -= room.length
  }
}
