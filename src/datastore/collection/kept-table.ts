/**
 * The marks of the last run with their slots, as they lay in memory: a run that takes all lists of the one before takes
 * them as they are, in place of searching the place of each mark again. `keys-<generation>` is that of the lists, and
 * `slots-<generation>` holds words: the seed; for each shard its slots and its marks; then all slots.
 */
import { createHash, type Hash } from 'node:crypto'
import { isSystemError } from '../../base/errors.ts'
import type { FileHandle, FileSystem } from '../../base/fs/file-system.ts'
import { breathe } from '../sessions/breathe.ts'
import type { ListsHeader } from './known-roots.ts'
import {
  BLOCK_KEYS,
  KEY_SIZE,
  type MarksState,
  PREFIX_COUNT,
  SHARD_COUNT,
  type TableMemory,
} from './marks.ts'

const WORD = Int32Array.BYTES_PER_ELEMENT
const HEAD_WORDS = 1 + 2 * SHARD_COUNT
/** Read and hashed at once: about a millisecond. */
const PIECE_SIZE = 1 << 20

interface TablePlace {
  readonly fs: FileSystem
  readonly folder: string
  readonly signal: AbortSignal
}

/** Writes the slots of `marks` into `handle`; the hash of what was written. */
export async function writeSlots(handle: FileHandle, marks: MarksState): Promise<string> {
  const hash = createHash('sha256')
  const head = new Int32Array(HEAD_WORDS)
  head[0] = marks.seed
  marks.shards.forEach((shard, index) => {
    head[1 + 2 * index] = shard.byteLength / WORD
    head[2 + 2 * index] = marks.shardCounts[index] ?? 0
  })
  let position = 0
  for (const memory of [head.buffer, ...marks.shards]) {
    // A copy: shared memory cannot be handed to the system.
    const bytes = new Uint8Array(memory).slice()
    await handle.write(bytes, position)
    hash.update(bytes)
    position += bytes.length
    await breathe()
  }
  await handle.sync()
  return hash.digest('hex')
}

/** The marks that `header` is of; null if a file is missing or damaged. */
export async function readTable(
  place: TablePlace,
  header: ListsHeader,
): Promise<MarksState | null> {
  const { generation, slotsHash, keysHash, offset, markCount } = header
  if (slotsHash === null) return null
  try {
    const keys = await readKeys(place, `keys-${generation}`, { count: markCount, hash: keysHash })
    if (keys === null) return null
    const slots = await readSlots(place, `slots-${generation}`, slotsHash)
    if (slots === null) return null
    const range = { offset, from: 0, to: PREFIX_COUNT }
    return { ...range, ...slots, count: markCount, isShared: true, keys, followers: [] }
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
}

async function readKeys(
  place: TablePlace,
  name: string,
  { count, hash: expected }: { readonly count: number; readonly hash: string },
): Promise<TableMemory[] | null> {
  await using handle = await place.fs.open(`${place.folder}/${name}`, 'read')
  const hash = createHash('sha256')
  const blocks: TableMemory[] = []
  const size = count * KEY_SIZE
  for (let start = 0; start < size; start += BLOCK_KEYS * KEY_SIZE) {
    const block = new SharedArrayBuffer(BLOCK_KEYS * KEY_SIZE)
    const target = new Uint8Array(block, 0, Math.min(block.byteLength, size - start))
    if (!(await fill(place, handle, { target, start, hash }))) return null
    blocks.push(block)
  }
  return hash.digest('hex') === expected ? blocks : null
}

async function readSlots(
  place: TablePlace,
  name: string,
  expected: string,
): Promise<Pick<MarksState, 'seed' | 'shards' | 'shardCounts'> | null> {
  await using handle = await place.fs.open(`${place.folder}/${name}`, 'read')
  const hash = createHash('sha256')
  const head = new Int32Array(HEAD_WORDS)
  if (!(await fill(place, handle, { target: new Uint8Array(head.buffer), start: 0, hash }))) {
    return null
  }
  const { size } = await handle.stat()
  const shards: TableMemory[] = []
  const shardCounts: number[] = []
  let start = head.byteLength
  for (let index = 0; index < SHARD_COUNT; index += 1) {
    const length = (head[1 + 2 * index] ?? 0) * WORD
    // Before memory is taken for it.
    if (length <= 0 || start + length > size) return null
    const shard = new SharedArrayBuffer(length)
    if (!(await fill(place, handle, { target: new Uint8Array(shard), start, hash }))) return null
    shards.push(shard)
    shardCounts.push(head[2 + 2 * index] ?? 0)
    start += length
  }
  if (hash.digest('hex') !== expected) return null
  return { seed: head[0] ?? 0, shards, shardCounts }
}

/** False if the file ends before `target` is full. */
async function fill(
  { signal }: TablePlace,
  handle: FileHandle,
  piece: { readonly target: Uint8Array; readonly start: number; readonly hash: Hash },
): Promise<boolean> {
  const { target, start, hash } = piece
  for (let done = 0; done < target.length; done += PIECE_SIZE) {
    signal.throwIfAborted()
    const bytes = new Uint8Array(Math.min(PIECE_SIZE, target.length - done))
    if ((await handle.read(bytes, start + done)) !== bytes.length) return false
    hash.update(bytes)
    target.set(bytes, done)
  }
  return true
}
