/** Makes calls of a backup session that are right, or nearly: what was answered before is used. */
import type { SeededRandom } from '../../../bench/support/random.ts'
import {
  chunkOf,
  dynamicCsum,
  fixedCsum,
  manifestBlob,
  type TestChunk,
} from '../../support/protocol-client.ts'
import { pick } from '../mutate.ts'
import { type Call, jsonCall, type NextCall, plainCall } from './call.ts'

const FIXED_CHUNK_SIZE = 4 * 1024 * 1024
const ARCHIVES = { fixed: ['a.img.fidx', 'b.img.fidx'], dynamic: ['a.pxar.didx', 'b.pxar.didx'] }
type Kind = 'fixed' | 'dynamic'
const KINDS: readonly Kind[] = ['fixed', 'dynamic']

/** The last of the chunks are as large as those of a fixed index. */
const WHOLE_COUNT = 2

/** Chunks that all sessions share: most uploads are duplicates, as in life. */
export async function makeChunks(random: SeededRandom): Promise<TestChunk[]> {
  const contents = [
    Buffer.from('a'),
    random.bytes(1000),
    random.bytes(70_000),
    Buffer.alloc(FIXED_CHUNK_SIZE),
    Buffer.alloc(FIXED_CHUNK_SIZE, 'text '),
  ]
  return await Promise.all(contents.map(async (plain) => await chunkOf(plain, true)))
}

interface OpenIndex {
  readonly kind: Kind
  readonly name: string
  readonly wid: number
  readonly entries: TestChunk[]
}

/** What a client knows of its session. */
export class BackupCalls {
  readonly #chunks: readonly TestChunk[]
  readonly #snapshot: { readonly group: string; readonly time: number }
  readonly #indexes: OpenIndex[] = []
  readonly #files: { filename: string; size: number; csum: string }[] = []

  constructor(
    chunks: readonly TestChunk[],
    snapshot: { readonly group: string; readonly time: number },
  ) {
    this.#chunks = chunks
    this.#snapshot = snapshot
  }

  async next(random: SeededRandom): Promise<NextCall> {
    const index = this.#indexes.length === 0 ? null : pick(this.#indexes, random)
    const choice = random.below(20)
    if (index === null && choice < 12) return this.#create(random)
    if (index !== null && choice < 6) return only(this.#upload(index, random))
    if (index !== null && choice < 12) return this.#append(index, random)
    if (index !== null && choice < 14) return this.#close(index)
    if (choice < 15) return this.#create(random)
    return only(await this.#other(random))
  }

  #create(random: SeededRandom): NextCall {
    const kind = pick(KINDS, random)
    const name = pick(ARCHIVES[kind], random)
    const size = { size: FIXED_CHUNK_SIZE * (1 + random.below(3)) }
    const parameters = { 'archive-name': name, ...(kind === 'fixed' ? size : {}) }
    return {
      call: plainCall('POST', `/${kind}_index`, parameters),
      done: (wid: unknown) => {
        if (typeof wid === 'number') this.#indexes.push({ kind, name, wid, entries: [] })
      },
    }
  }

  #upload({ kind, wid }: OpenIndex, random: SeededRandom): Call {
    const { digest, size, blob } = this.#chunkFor(kind, random)
    const parameters = { wid, digest, size, 'encoded-size': blob.length }
    return plainCall('POST', `/${kind}_chunk`, parameters, blob)
  }

  #append({ kind, wid, entries }: OpenIndex, random: SeededRandom): NextCall {
    const added = Array.from({ length: random.below(4) }, () => this.#chunkFor(kind, random))
    let end = entries.reduce((sum, { size }) => sum + size, 0)
    const offsets = added.map(({ size }) => {
      end += size
      return end - size
    })
    const digests = added.map(({ digest }) => digest)
    const value = { wid, 'digest-list': digests, 'offset-list': offsets }
    const done = (): void => void entries.push(...added)
    return { call: jsonCall('PUT', `/${kind}_index`, value), done }
  }

  /** A fixed index takes whole chunks, and one that is not. */
  #chunkFor(kind: Kind, random: SeededRandom): TestChunk {
    const isWhole = kind === 'fixed' && random.below(8) > 0
    return pick(isWhole ? this.#chunks.slice(-WHOLE_COUNT) : this.#chunks, random)
  }

  #close(index: OpenIndex): NextCall {
    const { kind, name, wid, entries } = index
    const csum = kind === 'fixed' ? fixedCsum(entries) : dynamicCsum(entries)
    const size = entries.reduce((sum, chunk) => sum + chunk.size, 0)
    const parameters = { wid, csum, size, 'chunk-count': entries.length }
    return {
      call: plainCall('POST', `/${kind}_close`, parameters),
      done: () => {
        this.#indexes.splice(this.#indexes.indexOf(index), 1)
        this.#files.push({ filename: name, size, csum })
      },
    }
  }

  async #other(random: SeededRandom): Promise<Call> {
    switch (random.below(8)) {
      case 0:
        return plainCall('GET', '/')
      case 1:
        return plainCall('GET', '/previous_backup_time')
      case 2:
        return plainCall('POST', '/finish')
      case 3:
        return plainCall('POST', '/speedtest', {}, Buffer.alloc(10_000))
      case 4: {
        const names = [...ARCHIVES.fixed, ...ARCHIVES.dynamic, 'index.json.blob', 'c.conf.blob']
        return plainCall('GET', '/previous', { 'archive-name': pick(names, random) })
      }
      case 5:
        return this.#blob('index.json.blob', await manifestBlob(this.#snapshot, this.#files))
      default: {
        const { blob } = pick(this.#chunks.slice(0, 3), random)
        return this.#blob(pick(['c.conf.blob', 'd.log.blob'], random), blob)
      }
    }
  }

  #blob(name: string, blob: Uint8Array): Call {
    return plainCall('POST', '/blob', { 'file-name': name, 'encoded-size': blob.length }, blob)
  }
}

function only(call: Call): NextCall {
  return { call, done: () => {} }
}
