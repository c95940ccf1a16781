/**
 * Chunks as files: `.chunks/<first 4 hex digits>/<64 hex digits>`, as stock lays them out
 * (datastore-semantics.md 3, formats.md 9.1 and 9.5).
 *
 * Order of an insert: temporary in the same folder, content, [fsync,] mode and owner, rename, [fsync of the folder];
 * the two syncs at level `file` only, but content that takes the place of a file is always synced before: finished
 * snapshots may rely on that file, and it may be on the disk already (races.md R-63). So a name is never seen with a
 * part of its content while the machine runs; after a power cut it can be, which is what `ChunkDoubt` is for.
 */
import { dirname } from 'node:path'
import type { Allocate } from '../base/buffer-pool.ts'
import { temporaryPath } from '../base/fs/atomic-write.ts'
import type { FileStat, FileSystem } from '../base/fs/file-system.ts'
import { isSystemError, toError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { BLOB_SIZE_MAX } from '../formats/data-blob.ts'
import type { Digest } from '../formats/digest.ts'
import type { ChunkBackend, ChunkDoubt, ChunkLook, PutResult } from './chunk-backend.ts'
import { isWholeChunk } from './chunk-check.ts'
import type { ChunkLooker } from './chunk-looker.ts'
import { errors } from './errors.ts'
import { planInsert } from './insert-rule.ts'
import { lookAndVerify } from './look-and-verify.ts'
import { errnoText } from './os-error-text.ts'

const CHUNK_MODE = 0o644
export const PREFIX_FOLDER_MODE = 0o750
const NANOSECONDS_PER_MS = 1e6
/** `.0.bad` to `.9.bad`: the last one is overwritten when all are there. */
const BAD_NUMBER_MAX = 9

export interface FilesystemBackendOptions {
  /** The `.chunks` folder. */
  readonly folder: string
  /** Name of the datastore, for messages. */
  readonly store: string
  /** Owner of new files; undefined leaves the process's. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined
  /** Whether `put` answers only when the chunk is on stable storage (level `file`). */
  readonly durable: boolean
  readonly looker: ChunkLooker
  readonly doubt: ChunkDoubt
  readonly log: Log
}

export class FilesystemBackend implements ChunkBackend {
  readonly provisional = null
  readonly #fs: FileSystem
  readonly #options: FilesystemBackendOptions
  /** The mode given to open is cut by the umask: only then one call more is needed per chunk. */
  readonly #isModeCut: boolean

  constructor(fs: FileSystem, options: FilesystemBackendOptions) {
    this.#fs = fs
    this.#options = options
    this.#isModeCut = (process.umask() & CHUNK_MODE) !== 0
  }

  pathOf(digest: Digest): string {
    return `${this.#options.folder}/${digest.slice(0, 4)}/${digest}`
  }

  async read(digest: Digest, allocate?: Allocate): Promise<Uint8Array<ArrayBuffer>> {
    const path = this.pathOf(digest)
    try {
      const blob = await this.#fs.readFile(path, BLOB_SIZE_MAX, allocate)
      if (blob.length > 0) return blob
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
    }
    throw errors.CHUNK_MISSING({ digest, path })
  }

  async stat(digest: Digest): Promise<{ readonly size: number } | null> {
    const stat = await this.#lstat(this.pathOf(digest))
    return stat === null || stat.size === 0 ? null : { size: stat.size }
  }

  async put(digest: Digest, blob: Uint8Array): Promise<PutResult> {
    const path = this.pathOf(digest)
    const stat = await this.#lstat(path)
    if (stat !== null && (await this.#keepsExisting(digest, path, stat, blob))) {
      return { duplicate: true, storedSize: stat.size }
    }
    const { doubt } = this.#options
    const { era } = doubt
    await this.#write(path, blob, { replaces: stat !== null && stat.size > 0 })
    doubt.trust(digest, era)
    return { duplicate: false, storedSize: blob.length }
  }

  async markBad(digest: Digest): Promise<string | null> {
    const path = this.pathOf(digest)
    for (let number = 0; ; number += 1) {
      const target = `${path}.${number}.bad`
      if (number < BAD_NUMBER_MAX && (await this.#lstat(target)) !== null) continue
      try {
        await this.#fs.rename(path, target)
        return target
      } catch (error) {
        if (isSystemError(error, 'ENOENT')) return null
        throw error
      }
    }
  }

  async lookMany(
    digests: Uint8Array,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<ChunkLook> {
    const { looker, doubt, folder } = this.#options
    return await lookAndVerify(digests, {
      ...options,
      pathOf: (digest) => this.pathOf(digest),
      look: (packed) =>
        looker.look({ folder, digests: packed, doubt: doubt.window }, { signal: options.signal }),
      isWhole: (digest) => this.#isTrusted(digest),
    })
  }

  /** Whether the stored chunk is whole; it is read only if it is in doubt. */
  async #isTrusted(digest: Digest): Promise<boolean> {
    const stat = await this.#lstat(this.pathOf(digest))
    if (stat === null || stat.size === 0) return false
    return !this.#isDoubtful(digest, stat) || (await this.#verify(digest))
  }

  async #keepsExisting(digest: Digest, path: string, stat: FileStat, blob: Uint8Array) {
    const chunk = { digest, store: this.#options.store }
    if (stat.kind !== 'file') throw errors.CHUNK_FILE_TYPE_WRONG(chunk)
    if (stat.size === 0) {
      const text = `found empty chunk '${digest}' in store ${chunk.store}, overwriting`
      this.#options.log.warn(text)
      return false
    }
    if (stat.size !== blob.length) {
      const existing = await this.#readWhole(digest, path, stat)
      if (existing === null || planInsert(blob, existing, chunk) === 'replace') return false
    } else if (this.#isDoubtful(digest, stat) && !(await this.#verify(digest))) {
      return false
    }
    return await this.#touch(path)
  }

  /** The existing blob if it is a whole chunk, else null: it is to be overwritten then. */
  async #readWhole(digest: Digest, path: string, stat: FileStat): Promise<Uint8Array | null> {
    if (stat.size <= BLOB_SIZE_MAX) {
      const existing = await this.#readIfThere(digest)
      if (existing === null) return null
      if (await isWholeChunk(digest, existing)) return existing
    }
    this.#options.log.warn(`found broken chunk '${path}', overwriting`, { size: stat.size })
    return null
  }

  async #verify(digest: Digest): Promise<boolean> {
    const { doubt } = this.#options
    const { era } = doubt
    const existing = await this.#readIfThere(digest)
    if (existing === null || !(await isWholeChunk(digest, existing))) return false
    if (doubt.rewrites) await this.#write(this.pathOf(digest), existing, { replaces: true })
    doubt.trust(digest, era)
    return true
  }

  async #readIfThere(digest: Digest): Promise<Uint8Array | null> {
    try {
      return await this.#fs.readFile(this.pathOf(digest), BLOB_SIZE_MAX)
    } catch (error) {
      if (isSystemError(error, 'ENOENT', 'EFBIG')) return null
      throw error
    }
  }

  #isDoubtful(digest: Digest, stat: FileStat): boolean {
    const mtimeMs = Number(stat.mtimeNs) / NANOSECONDS_PER_MS
    const ctimeMs = Number(stat.ctimeNs) / NANOSECONDS_PER_MS
    return this.#options.doubt.isDoubtful(digest, mtimeMs, ctimeMs)
  }

  /** False if the file vanished meanwhile: stock in another process may have renamed it. */
  async #touch(path: string): Promise<boolean> {
    try {
      await this.#fs.touch(path)
      return true
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return false
      throw errors.CHUNK_TOUCH_FAILED({ path, reason: errnoText(error) }, { cause: error })
    }
  }

  /** `replaces`: what is there may be whole. */
  async #write(path: string, blob: Uint8Array, how: { readonly replaces: boolean }): Promise<void> {
    const temporary = temporaryPath(path)
    try {
      await this.#writeFile(temporary, blob, how)
      await this.#fs.rename(temporary, path)
    } catch (error) {
      await this.#fs.unlink(temporary).catch(toError)
      throw error
    }
    if (this.#options.durable) await this.#fs.syncFolder(dirname(path))
  }

  async #writeFile(
    path: string,
    blob: Uint8Array,
    { replaces }: { readonly replaces: boolean },
  ): Promise<void> {
    const { owner, durable } = this.#options
    await using handle = await this.#create(path)
    await handle.write(blob, 0)
    if (this.#isModeCut) await handle.chmod(CHUNK_MODE)
    if (owner !== undefined) await handle.chown(owner.uid, owner.gid)
    if (durable || replaces) await handle.sync()
  }

  /** Makes the file; a prefix folder that got lost is made again, which only a first try can notice. */
  async #create(path: string) {
    try {
      return await this.#fs.open(path, 'create-new', CHUNK_MODE)
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
    }
    await this.#createPrefixFolder(dirname(path))
    return await this.#fs.open(path, 'create-new', CHUNK_MODE)
  }

  async #createPrefixFolder(path: string): Promise<void> {
    const { owner, durable, folder } = this.#options
    try {
      await this.#fs.mkdir(path, { mode: PREFIX_FOLDER_MODE })
    } catch (error) {
      if (isSystemError(error, 'EEXIST')) return
      throw error
    }
    await this.#fs.chmod(path, PREFIX_FOLDER_MODE)
    if (owner !== undefined) await this.#fs.chown(path, owner.uid, owner.gid)
    if (durable) await this.#fs.syncFolder(folder)
  }

  async #lstat(path: string): Promise<FileStat | null> {
    try {
      return await this.#fs.lstat(path)
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return null
      throw error
    }
  }
}
