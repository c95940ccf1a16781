/**
 * Whether a local file is what an object of the bucket holds, told without fetching it: its size, and the MD5 of all that
 * it holds now, which most stores use as ETag. Nothing that was remembered counts (races.md ).
 */
import { createHash } from 'node:crypto'
import { isSystemError } from '../../base/errors.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import type { ObjectInfo } from '../../storage/object-store.ts'
import { breathe } from '../sessions/breathe.ts'

const MD5 = /^[0-9a-f]{32}$/
/** Hashed in one step: about a millisecond. */
const PIECE_SIZE = 512 << 10

/** False for an ETag of another kind, a file that is missing, and what is no file. Throws system errors. */
export async function isSameContent(
  fs: FileSystem,
  path: string,
  { size, etag }: Pick<ObjectInfo, 'size' | 'etag'>,
): Promise<boolean> {
  if (!MD5.test(etag)) return false
  try {
    const stat = await fs.lstat(path)
    if (stat.kind !== 'file' || stat.size !== size) return false
    return (await md5OfFile(fs, path)) === etag
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}

async function md5OfFile(fs: FileSystem, path: string): Promise<string> {
  const hash = createHash('md5')
  await using handle = await fs.open(path, 'read')
  const piece = new Uint8Array(PIECE_SIZE)
  for (let position = 0; ; ) {
    const length = await handle.read(piece, position)
    if (length === 0) return hash.digest('hex')
    hash.update(piece.subarray(0, length))
    position += length
    await breathe()
  }
}
