/** Long writes through the page cache, which keeps nothing of them where that can be asked for. */
import type { FileHandle } from 'node:fs/promises'
import { writeUncached } from './native-uncached.ts'
import { systemError } from './system-error.ts'

/**
 * Bytes of one call. Longer ones make the kernel take larger pieces of fresh memory, which virtual machines get from
 * their host at a tenth of the speed.
 */
const PIECE_SIZE = 512 << 10

/** Writes all of `bytes` at `position`, piece after piece; `path` is for messages. Errors: system errors. */
export async function writePieces(
  handle: FileHandle,
  bytes: Uint8Array,
  { position, path }: { readonly position: number; readonly path: string },
): Promise<void> {
  // Who refuses one piece refuses the others.
  let isUncached = bytes.length >= PIECE_SIZE
  for (let done = 0; done < bytes.length; ) {
    const piece = bytes.subarray(done, done + PIECE_SIZE)
    const at = position + done
    const uncached = isUncached ? await writeUncached(handle.fd, piece, at) : null
    isUncached &&= uncached !== null
    const count = uncached ?? (await handle.write(piece, 0, piece.length, at)).bytesWritten
    if (count === 0) throw systemError('EIO', 'write', path)
    done += count
  }
}
