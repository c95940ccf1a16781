/** Long writes through the page cache. */
import type { FileHandle } from 'node:fs/promises'
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
  for (let done = 0; done < bytes.length; ) {
    const size = Math.min(bytes.length - done, PIECE_SIZE)
    const { bytesWritten } = await handle.write(bytes, done, size, position + done)
    if (bytesWritten === 0) throw systemError('EIO', 'write', path)
    done += bytesWritten
  }
}
