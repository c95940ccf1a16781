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
  for (const bytes of piecesOf([head.buffer, ...marks.shards])) {
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
  const targets: Uint8Array[] = []
  const size = count * KEY_SIZE
  for (let start = 0; start < size; start += BLOCK_KEYS * KEY_SIZE) {
    const block = new SharedArrayBuffer(BLOCK_KEYS * KEY_SIZE)
    targets.push(new Uint8Array(block, 0, Math.min(block.byteLength, size - start)))
    blocks.push(block)
  }
  if (!(await fill(place, handle, { targets, start: 0, hash }))) return null
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
  const start = head.byteLength
  const headTarget = { targets: [new Uint8Array(head.buffer)], start: 0, hash }
  if (!(await fill(place, handle, headTarget))) return null
  let rest = (await handle.stat()).size - start
  const shards: TableMemory[] = []
  const shardCounts: number[] = []
  for (let index = 0; index < SHARD_COUNT; index += 1) {
    const length = (head[1 + 2 * index] ?? 0) * WORD
    rest -= length
    // Before memory is taken for it.
    if (length <= 0 || rest < 0) return null
    shards.push(new SharedArrayBuffer(length))
    shardCounts.push(head[2 + 2 * index] ?? 0)
  }
  const targets = shards.map((shard) => new Uint8Array(shard))
  if (!(await fill(place, handle, { targets, start, hash }))) return null
  if (hash.digest('hex') !== expected) return null
  return { seed: head[0] ?? 0, shards, shardCounts }
}

/** Reads `targets` one after the other; false if the file ends before. */
async function fill(
  { signal }: TablePlace,
  handle: FileHandle,
  part: { readonly targets: readonly Uint8Array[]; readonly start: number; readonly hash: Hash },
): Promise<boolean> {
  const { targets, hash } = part
  let rest = targets.reduce((sum, { length }) => sum + length, 0)
  let position = part.start
  const bytes = new Uint8Array(Math.min(PIECE_SIZE, rest))
  let ready = bytes.subarray(0, 0)
  for (const target of targets) {
    for (let done = 0; done < target.length; ) {
      if (ready.length === 0) {
        signal.throwIfAborted()
        ready = bytes.subarray(0, Math.min(bytes.length, rest))
        if ((await handle.read(ready, position)) !== ready.length) return false
        hash.update(ready)
        position += ready.length
        rest -= ready.length
      }
      const taken = ready.subarray(0, target.length - done)
      target.set(taken, done)
      done += taken.length
      ready = ready.subarray(taken.length)
    }
  }
  return true
}

/** All bytes of `memories` in few pieces; copies, because shared memory cannot be handed to the system. */
function* piecesOf(memories: readonly TableMemory[]): Generator<Uint8Array> {
  let rest = memories.reduce((sum, { byteLength }) => sum + byteLength, 0)
  let piece = new Uint8Array(Math.min(PIECE_SIZE, rest))
  let used = 0
  for (const memory of memories) {
    for (let done = 0; done < memory.byteLength; ) {
      const count = Math.min(piece.length - used, memory.byteLength - done)
      piece.set(new Uint8Array(memory, done, count), used)
      used += count
      done += count
      if (used < piece.length) continue
      yield piece
      rest -= piece.length
      piece = new Uint8Array(Math.min(PIECE_SIZE, rest))
      used = 0
    }
  }
}
