/** A datastore of many small chunks, made as fast as the disk takes files: the content is nobody's, names and indexes count. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { DynamicIndexBuilder } from '../../src/formats/dynamic-index.ts'
import { formatBackupTime } from '../../src/formats/backup-time.ts'
import { SeededRandom } from './random.ts'

const DIGEST_SIZE = 32
const CHUNK = Buffer.alloc(100, 'x')
const ENTRY_SIZE = 65_536
const FIRST_TIME = 1_767_225_600

export interface StoreShape {
  /** Chunk files, garbage included. */
  readonly chunkCount: number
  readonly snapshotCount: number
  /** Chunks of a snapshot. */
  readonly listCount: number
  /** Chunks that no snapshot names. */
  readonly garbageCount: number
}

/** The share of a list that changes from snapshot to snapshot is what makes all lists together name all chunks. */
export function makeCollectionStore(path: string, shape: StoreShape): void {
  const random = new SeededRandom('collection')
  const digests = random.bytes(shape.chunkCount * DIGEST_SIZE)
  makeFolders(path)
  for (let at = 0; at < digests.length; at += DIGEST_SIZE) {
    const name = digests.toString('hex', at, at + DIGEST_SIZE)
    writeFileSync(`${path}/.chunks/${name.slice(0, 4)}/${name}`, CHUNK)
  }
  writeSnapshots(path, shape, { digests, random })
}

function makeFolders(path: string): void {
  for (let prefix = 0; prefix < 65_536; prefix += 1) {
    mkdirSync(`${path}/.chunks/${prefix.toString(16).padStart(4, '0')}`, { recursive: true })
  }
}

function writeSnapshots(
  path: string,
  shape: StoreShape,
  { digests, random }: { readonly digests: Buffer; readonly random: SeededRandom },
): void {
  const { chunkCount, snapshotCount, listCount, garbageCount } = shape
  const list = Uint32Array.from({ length: listCount }, (_value, index) => index)
  const used = chunkCount - garbageCount
  const changedCount = Math.floor((used - listCount) / (snapshotCount - 1))
  let next = listCount
  for (let snapshot = 0; snapshot < snapshotCount; snapshot += 1) {
    if (snapshot > 0) {
      const end = snapshot === snapshotCount - 1 ? used : next + changedCount
      const places = random.bytes(4 * (end - next))
      for (let at = 0; next < end; next += 1, at += 4) {
        list[places.readUInt32LE(at) % listCount] = next
      }
    }
    writeIndex(path, snapshot, { list, digests })
  }
}

function writeIndex(
  path: string,
  snapshot: number,
  { list, digests }: { readonly list: Uint32Array; readonly digests: Buffer },
): void {
  const builder = new DynamicIndexBuilder()
  for (const chunk of list) {
    builder.appendAt(builder.end + ENTRY_SIZE, digests, chunk * DIGEST_SIZE)
  }
  const folder = `${path}/host/bench/${formatBackupTime(FIRST_TIME + snapshot * 86_400)}`
  mkdirSync(folder, { recursive: true })
  const identity = { uuid: Buffer.alloc(16, snapshot + 1), createdAt: FIRST_TIME }
  writeFileSync(`${folder}/root.pxar.didx`, builder.encode(identity))
}
