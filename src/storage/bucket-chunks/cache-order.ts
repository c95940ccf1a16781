/**
 * The order in which a cache's copies were used, as a file: it is written now and then and at the end, so what it lacks
 * is newer than what it has. It is a hint: the files themselves say what there is.
 *
 * | offset | size | meaning                                  |
 * |--------|------|------------------------------------------|
 * | 36 n   | 32   | digest, least recently used first        |
 * | + 32   | 4    | bytes of the copy, little endian         |
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isAnySystemError } from '../../base/errors.ts'
import { atomicWrite } from '../../base/fs/atomic-write.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import { type Digest, digestFromBytes, DIGEST_SIZE } from '../../formats/digest.ts'

const RECORD_SIZE = 36
/** Some milliseconds of work between turns of the event loop. */
const RECORDS_PER_STEP = 8192
/** Copies that a cache keeps track of: at 4 MiB each 4 TiB; each costs some 150 bytes of memory. */
export const COPIES_MAX = 1_000_000

/** Digests with sizes, least recently used first; empty if the file is missing or makes no sense. */
export async function readOrder(fs: FileSystem, path: string): Promise<Map<Digest, number>> {
  const sizes = new Map<Digest, number>()
  const bytes = await readIfThere(fs, path)
  if (bytes === null || bytes.length % RECORD_SIZE !== 0) return sizes
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let offset = 0; offset < bytes.length; offset += RECORD_SIZE) {
    sizes.set(digestFromBytes(bytes, offset), view.getUint32(offset + DIGEST_SIZE, true))
    if (offset % (RECORDS_PER_STEP * RECORD_SIZE) === 0) await nextTurn()
  }
  return sizes
}

/** Writes the order of `sizes`, which may change meanwhile. Throws system errors. */
export async function writeOrder(
  fs: FileSystem,
  path: string,
  sizes: ReadonlyMap<Digest, number>,
): Promise<void> {
  const bytes = Buffer.alloc(sizes.size * RECORD_SIZE)
  let offset = 0
  for (const [digest, size] of sizes) {
    if (offset === bytes.length) break
    bytes.write(digest, offset, 'hex')
    bytes.writeUInt32LE(size, offset + DIGEST_SIZE)
    offset += RECORD_SIZE
    if (offset % (RECORDS_PER_STEP * RECORD_SIZE) === 0) await nextTurn()
  }
  await atomicWrite(fs, path, bytes.subarray(0, offset), { mode: 0o600, durable: false })
}

async function readIfThere(fs: FileSystem, path: string): Promise<Uint8Array | null> {
  try {
    return await fs.readFile(path, COPIES_MAX * RECORD_SIZE)
  } catch (error) {
    if (isAnySystemError(error)) return null
    throw error
  }
}
