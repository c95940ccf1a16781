/**
 * How many bytes the chunks of each folder had in the last run, bound to the folder's change time: for figures only, and
 * to pass by folders in which there was nothing to remove. The latter goes for the marks of that run alone, which the
 * generation of its lists names (`kept-lists.ts`).
 */
import { isSystemError } from '../../base/errors.ts'
import { atomicWrite } from '../../base/fs/atomic-write.ts'
import type { Datastore } from '../datastore.ts'
import { SIZES_FIELDS } from './engine.ts'
import { PREFIX_COUNT } from './marks.ts'

const FILE_NAME = 'folder-sizes'
const FILE_MODE = 0o600
const COUNT = PREFIX_COUNT * SIZES_FIELDS
const GENERATION_SIZE = 8

export interface FolderSizes {
  /** `SIZES_FIELDS` numbers for each of the 65,536 folders; zeros fit no folder. */
  readonly table: Float64Array<ArrayBuffer>
  /** Of the lists of the run that wrote it; null if there were none. */
  readonly generation: string | null
}

/** Of a store without folders. */
export const NO_SIZES: FolderSizes = Object.freeze({ table: new Float64Array(), generation: null })

/** What the last run wrote; zeros without a whole file. */
export async function readSizes(store: Datastore): Promise<FolderSizes> {
  const table = new Float64Array(COUNT)
  const size = table.byteLength + GENERATION_SIZE
  try {
    const path = `${store.core.collection.folder}/${FILE_NAME}`
    const bytes = await store.fs.readFile(path, size)
    if (bytes.length === size) {
      new Uint8Array(table.buffer).set(bytes.subarray(0, table.byteLength))
      const generation = Buffer.from(bytes.subarray(table.byteLength)).toString('hex')
      return { table, generation: generation === NO_GENERATION ? null : generation }
    }
  } catch (error) {
    if (!isSystemError(error, 'ENOENT', 'EFBIG')) throw error
  }
  return { table, generation: null }
}

export async function writeSizes(store: Datastore, sizes: FolderSizes): Promise<void> {
  const path = `${store.core.collection.folder}/${FILE_NAME}`
  const { table, generation } = sizes
  const pieces = [new Uint8Array(table.buffer), Buffer.from(generation ?? NO_GENERATION, 'hex')]
  await atomicWrite(store.fs, path, pieces, { mode: FILE_MODE, durable: false })
}

const NO_GENERATION = '00'.repeat(GENERATION_SIZE)
