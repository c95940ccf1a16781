/**
 * Brings what a bucket has of a datastore's tree into a folder here (datastore-semantics.md 19.6). What the datastore's
 * own folder has already, byte for byte, is not fetched again.
 */
import { forEachConcurrent } from '../../base/async/map-concurrent.ts'
import type { FileHandle } from '../../base/fs/file-system.ts'
import type { Progress } from '../../base/progress.ts'
import { MANIFEST_NAME } from '../../formats/archive-name.ts'
import type { ObjectInfo } from '../../storage/object-store.ts'
import type { Datastore } from '../datastore.ts'
import { quote } from '../debug-text.ts'
import { errors } from '../errors.ts'
import { INDEX_SIZE_MAX } from '../snapshot-files.ts'
import { FILE_MODE } from '../store-files.ts'
import { kindOfContent } from './content-path.ts'
import { contentKey, contentPath } from './keys.ts'
import { dropLoneManifest, LoneManifests } from './lone-manifests.ts'
import { isSameContent } from './same-content.ts'
import type { StoreBucket } from './store-bucket.ts'

export interface FetchOptions {
  /** A folder that is there; paths in it are as in the datastore's. */
  readonly to: string
  /** A path below the datastore's folder, to fetch only this one and what is below it. */
  readonly below?: string
  readonly progress: Progress
}

export interface FetchCount {
  readonly objects: number
  readonly bytes: number
  /** Of the objects: files of the datastore's folder that are the same, and were not fetched. */
  readonly same: number
  /** Keys that are no part of a datastore's tree. */
  readonly skipped: number
}

/** Requests at a time: answers are small and their way is long. */
const FETCHED_AT_ONCE = 16
/** Larger ones come in pieces of this size: what is in memory is this many times the number above at most. */
const PIECE_SIZE = 8 << 20
/** Folders that are known to be made; forgotten when there are so many. */
const FOLDERS_MAX = 10_000

/** Throws the errors of ObjectStore, BUCKET_CONTENT_WRONG, system errors, the signal's reason. */
export async function fetchContent(
  store: Datastore,
  bucket: StoreBucket,
  options: FetchOptions,
): Promise<FetchCount> {
  const fetcher = new Fetcher(store, bucket, options)
  const { signal } = options.progress
  const run = async (object: ObjectInfo): Promise<void> => await fetcher.fetch(object)
  await forEachConcurrent(fetcher.list(), { concurrency: FETCHED_AT_ONCE, signal }, run)
  await fetcher.dropLone()
  return fetcher.count
}

class Fetcher {
  readonly #store: Datastore
  readonly #bucket: StoreBucket
  readonly #options: FetchOptions
  readonly #folders = new Map<string, Promise<void>>()
  readonly #lone = new LoneManifests()
  readonly count = { objects: 0, bytes: 0, same: 0, skipped: 0 }

  constructor(store: Datastore, bucket: StoreBucket, options: FetchOptions) {
    this.#store = store
    this.#bucket = bucket
    this.#options = options
  }

  async *list(): AsyncGenerator<ObjectInfo> {
    const { objects, prefix } = this.#bucket
    const { below, progress } = this.#options
    const { signal } = progress
    const start = below === undefined ? contentKey(prefix, '') : `${contentKey(prefix, below)}/`
    for await (const page of objects.list(start, { signal })) {
      for (const object of page.objects) {
        this.#lone.note(contentPath(prefix, object.key) ?? '')
        yield object
      }
    }
    this.#lone.end()
  }

  /** What a late PUT made of a snapshot that is gone is not taken for finished. */
  async dropLone(): Promise<void> {
    const { to, progress } = this.#options
    for (const folder of this.#lone.folders) {
      if (kindOfContent(`${folder}/${MANIFEST_NAME}`) === null) continue
      if (!(await dropLoneManifest(this.#store, `${to}/${folder}`))) continue
      progress.warn(
        `the bucket has the manifest of ${quote(folder)} and none of its files: skipped`,
      )
    }
  }

  async fetch(object: ObjectInfo): Promise<void> {
    const path = contentPath(this.#bucket.prefix, object.key) ?? ''
    const kind = kindOfContent(path)
    const { progress, to } = this.#options
    switch (kind) {
      case null:
        this.count.skipped += 1
        progress.warn(`skipping object ${JSON.stringify(object.key)}: not a part of a datastore`)
        return
      case 'namespace':
        await this.#makeFolder(parentOf(path))
        break
      case 'file':
        await this.#makeFolder(parentOf(path))
        if (await this.#linkSame(path, object)) this.count.same += 1
        else await this.#writeFile(`${to}/${path}`, object)
        break
      default:
        kind satisfies never
    }
    this.count.objects += 1
    this.count.bytes += object.size
    progress.advance('objects', this.count.objects, null)
  }

  /** One by one from the top, so that each gets its mode and owner. */
  async #makeFolder(path: string): Promise<void> {
    if (this.#folders.size > FOLDERS_MAX) this.#folders.clear()
    const known = this.#folders.get(path)
    if (known !== undefined) return await known
    const making = (async (): Promise<void> => {
      if (path.includes('/')) await this.#makeFolder(parentOf(path))
      await this.#store.files.createFolder(`${this.#options.to}/${path}`)
    })()
    this.#folders.set(path, making)
    await making
  }

  /** One more name for the file that lies in the datastore's folder, if it is what the bucket has. */
  async #linkSame(path: string, object: ObjectInfo): Promise<boolean> {
    const { fs, owner, path: folder } = this.#store
    const local = `${folder}/${path}`
    if (!(await isSameContent(fs, local, object))) return false
    await fs.chmod(local, FILE_MODE)
    if (owner !== undefined) await fs.chown(local, owner.uid, owner.gid)
    await fs.link(local, `${this.#options.to}/${path}`)
    return true
  }

  async #writeFile(path: string, object: ObjectInfo): Promise<void> {
    const { fs, owner } = this.#store
    if (object.size > INDEX_SIZE_MAX) this.#refuse(object, `it has ${object.size} bytes`)
    await using handle = await fs.open(path, 'create-new', FILE_MODE)
    const { honoursRange } = this.#bucket.verdict
    if (honoursRange && object.size > PIECE_SIZE) await this.#writePieces(handle, object)
    else await handle.write(await this.#get(object), 0)
    await handle.chmod(FILE_MODE)
    if (owner !== undefined) await handle.chown(owner.uid, owner.gid)
  }

  async #writePieces(handle: FileHandle, object: ObjectInfo): Promise<void> {
    for (let from = 0; from < object.size; from += PIECE_SIZE) {
      const to = Math.min(from + PIECE_SIZE, object.size)
      await handle.write(await this.#get(object, { from, to }), from)
    }
  }

  async #get(
    object: ObjectInfo,
    range: { readonly from: number; readonly to: number } = { from: 0, to: object.size },
  ): Promise<Uint8Array> {
    const isWhole = range.to - range.from === object.size
    const { signal } = this.#options.progress
    const options = isWhole ? { signal } : { signal, range }
    const found = await this.#bucket.objects.get(object.key, options)
    if (found === null) this.#refuse(object, 'it is gone')
    // Written meanwhile: somebody else works in the bucket.
    if (found.etag !== object.etag) this.#refuse(object, 'it was changed meanwhile')
    if (found.body.length !== range.to - range.from) this.#refuse(object, 'it came cut off')
    return found.body
  }

  #refuse({ key }: ObjectInfo, reason: string): never {
    const { place } = this.#bucket.objects
    throw errors.BUCKET_CONTENT_WRONG({ place, key, reason })
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}
