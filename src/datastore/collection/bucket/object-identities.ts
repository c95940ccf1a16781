/**
 * Which index an object of the bucket holds, told without fetching it: what its header says of it (UUID, creation time,
 * checksum of all entries), remembered by key, size and ETag. An ETag that is new here is first compared with the MD5 of
 * the local file, which most stores use; else the header is fetched.
 */
import { atomicWrite } from '../../../base/fs/atomic-write.ts'
import { isSystemError } from '../../../base/errors.ts'
import { INDEX_HEADER_SIZE } from '../../../formats/archive-index.ts'
import { isSameContent } from '../../bucket/same-content.ts'
import type { StoreBucket } from '../../bucket/store-bucket.ts'
import type { Datastore } from '../../datastore.ts'
import { breathe, STEPS_PER_BREATH } from '../../sessions/breathe.ts'
import type { IndexIdentity } from '../engine.ts'
import { identityFrom } from '../mark-index.ts'
import { readIndexObject, type RemoteIndex } from './mark-object.ts'

/** Path, size, ETag, header. */
type Line = readonly [path: string, size: number, etag: string, header: string]

const FILE_NAME = 'bucket-indexes'
const FILE_MODE = 0o600
/** Three hundred bytes an index. */
const FILE_SIZE_MAX = 1 << 30

export class ObjectIdentities {
  readonly #store: Datastore
  readonly #known: Map<string, Line>
  #isChanged = false

  private constructor(store: Datastore, known: Map<string, Line>) {
    this.#store = store
    this.#known = known
  }

  /** What was remembered; nothing if that is lost or damaged. */
  static async open(store: Datastore): Promise<ObjectIdentities> {
    const known = new Map<string, Line>()
    for (const line of (await readText(store)).split('\n')) {
      const parsed = parseLine(line)
      if (parsed !== null) known.set(parsed[0], parsed)
      if (known.size % STEPS_PER_BREATH === STEPS_PER_BREATH - 1) await breathe()
    }
    return new ObjectIdentities(store, known)
  }

  /** Whether the object is the index that the local file at its path is. */
  async isSame(
    bucket: StoreBucket,
    pair: {
      readonly index: RemoteIndex
      readonly local: IndexIdentity
      readonly signal: AbortSignal
    },
  ): Promise<boolean> {
    const { index, local, signal } = pair
    const { path, size, etag } = index
    if (local.fileSize !== size) return false
    const known = this.#known.get(path)
    if (known?.[1] === size && known[2] === etag) return known[3] === local.header
    const { fs, path: folder } = this.#store
    const header = (await isSameContent(fs, `${folder}/${path}`, index))
      ? local.header
      : await readHeader(bucket, index, signal)
    if (header === null) return false
    this.#known.set(path, [path, size, etag, header])
    this.#isChanged = true
    return header === local.header
  }

  /** Remembers those of `paths` for the next run. */
  async save(paths: ReadonlySet<string>): Promise<void> {
    for (const path of this.#known.keys()) {
      if (paths.has(path)) continue
      this.#known.delete(path)
      this.#isChanged = true
    }
    if (!this.#isChanged) return
    const { fs, core } = this.#store
    const lines = [...this.#known.values()].map((line) => JSON.stringify(line))
    await fs.mkdir(core.collection.folder, { recursive: true, mode: 0o700 })
    const bytes = Buffer.from(lines.join('\n'))
    await atomicWrite(fs, pathOf(this.#store), bytes, { mode: FILE_MODE, durable: false })
  }
}

async function readHeader(
  bucket: StoreBucket,
  index: RemoteIndex,
  signal: AbortSignal,
): Promise<string | null> {
  const piece = { from: 0, to: Math.min(INDEX_HEADER_SIZE, index.size), signal }
  const bytes = await readIndexObject(bucket, index, piece)
  if (bytes === null) return null
  const stat = { dev: 0n, ino: 0n, ctimeNs: 0n, size: index.size, isFile: true }
  return identityFrom(stat, bytes).header
}

function pathOf({ core }: Datastore): string {
  return `${core.collection.folder}/${FILE_NAME}`
}

async function readText(store: Datastore): Promise<string> {
  try {
    return Buffer.from(await store.fs.readFile(pathOf(store), FILE_SIZE_MAX)).toString()
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return ''
    throw error
  }
}

/** Null for a damaged line: that index is looked at again. */
function parseLine(line: string): Line | null {
  try {
    const value: unknown = JSON.parse(line)
    if (!Array.isArray(value)) return null
    const [path, size, etag, header] = value as unknown[]
    const isLine =
      typeof path === 'string' &&
      typeof size === 'number' &&
      typeof etag === 'string' &&
      typeof header === 'string'
    return isLine ? [path, size, etag, header] : null
  } catch {
    return null
  }
}
