/** How many bytes the chunks of each folder had in the last run, bound to the folder's change time: for figures only. */
import { isSystemError } from '../../base/errors.ts'
import { atomicWrite } from '../../base/fs/atomic-write.ts'
import type { Datastore } from '../datastore.ts'
import { SIZES_FIELDS } from './engine.ts'
import { PREFIX_COUNT } from './marks.ts'

const FILE_NAME = 'folder-sizes'
const FILE_MODE = 0o600
const COUNT = PREFIX_COUNT * SIZES_FIELDS

/** `SIZES_FIELDS` numbers for each of the 65,536 folders; zeros, which fit no folder, without a whole file. */
export async function readSizes(store: Datastore): Promise<Float64Array<ArrayBuffer>> {
  const sizes = new Float64Array(COUNT)
  try {
    const path = `${store.core.collection.folder}/${FILE_NAME}`
    const bytes = await store.fs.readFile(path, sizes.byteLength)
    if (bytes.length === sizes.byteLength) new Uint8Array(sizes.buffer).set(bytes)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT', 'EFBIG')) throw error
  }
  return sizes
}

export async function writeSizes(
  store: Datastore,
  sizes: Float64Array<ArrayBuffer>,
): Promise<void> {
  const path = `${store.core.collection.folder}/${FILE_NAME}`
  const bytes = new Uint8Array(sizes.buffer)
  await atomicWrite(store.fs, path, bytes, { mode: FILE_MODE, durable: false })
}
