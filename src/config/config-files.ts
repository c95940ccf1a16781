/**
 * The configuration folder: every file is read through a cache that notices changes on disk at once, and changed
 * under stock's lock file by replacing it as a whole, so that a stock server may work on the same folder.
 *
 * Lock files: rest-api.md 1.5, datastore-semantics.md 5.1 ("config", 10 s). Lock order: `user.cfg` before the files of
 * secrets (`token.shadow`, `shadow.json`, `tfa.json`); no other two are held at once.
 */
import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { KeyedLock } from '../base/async/keyed-lock.ts'
import { CairnError, isSystemError, toError } from '../base/errors.ts'
import { atomicWrite } from '../base/fs/atomic-write.ts'
import { lockFile } from '../base/fs/file-lock.ts'
import type { FileStat, FileSystem } from '../base/fs/file-system.ts'
import type { Clock } from '../base/time/clock.ts'
import { errors } from './errors.ts'
import type { Paths } from './paths.ts'

/** How one file is named, locked, read and written. Values are immutable. */
export interface ConfigFile<T> {
  readonly name: string
  readonly lockName: string
  /** Mode of a new file; an existing one keeps its own. */
  readonly mode: number
  /** Bits that an existing file may keep, for one with secrets; all by default. */
  readonly modeMask?: number
  /** The value of `bytes`; an absent file is empty bytes. */
  readonly parse: (bytes: Uint8Array) => T
  readonly format: (value: T) => Uint8Array
}

export interface ConfigValue<T> {
  /** The same object as long as the file does not change, so it may key caches. */
  readonly value: T
  /** SHA-256 of the file in hex, of the empty string if there is none. */
  readonly digest: string
}

interface CacheEntry extends ConfigValue<unknown> {
  readonly version: string
}

interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Stock waits as long for a configuration lock. */
const LOCK_TIMEOUT_MS = 10_000
const LOCK_MODE = 0o660
/** Far above any real configuration; guards against a device or a log in its place. */
const FILE_SIZE_MAX = 64 * 1024 * 1024
const ABSENT = 'absent'
const LINE_END = 0x0a

export class ConfigFiles {
  readonly fs: FileSystem
  readonly clock: Clock
  readonly paths: Paths
  /** One entry per descriptor in use: a dozen. */
  readonly #cache = new Map<string, CacheEntry>()
  /** Makes waiting inside this process first-in-first-out; the lock file excludes other processes. */
  readonly #queue = new KeyedLock<string>()

  constructor(options: { readonly fs: FileSystem; readonly clock: Clock; readonly paths: Paths }) {
    this.fs = options.fs
    this.clock = options.clock
    this.paths = options.paths
  }

  /** Where `file` lies. */
  pathOf(file: { readonly name: string }): string {
    return join(this.paths.config, file.name)
  }

  /** The present value of `file`, read again only if it changed on disk. Errors: CONFIG_UNREADABLE. */
  async read<T>(file: ConfigFile<T>): Promise<ConfigValue<T>> {
    const stat = await this.#stat(file)
    const version = stat === null ? ABSENT : versionOf(stat)
    const cached = this.#cache.get(file.name)
    if (cached?.version === version) return cached as CacheEntry & { readonly value: T }
    // A file replaced between stat and read is cached under the older version: the next read replaces it.
    const bytes = stat === null ? new Uint8Array() : await this.#readBytes(file)
    const entry = { value: parseFile(file, bytes), digest: digestOf(bytes), version }
    this.#cache.set(file.name, entry)
    return entry
  }

  /**
   * Replaces the value of `file` by what `change` makes of the present one, under the lock file; the same value means
   * no write. Errors: LOCK_BUSY after 10 s, CONFIG_MODIFIED if `digest` is given and is not the present one,
   * CONFIG_UNREADABLE for a file that is not UTF-8: writing it back would change what nobody asked to change.
   */
  async update<T>(
    file: ConfigFile<T>,
    change: (value: T) => T | Promise<T>,
    options: { readonly digest?: string | undefined } = {},
  ): Promise<void> {
    using _turn = await this.#queue.acquire(file.lockName)
    const owner = await this.newFileOwner()
    await using _lock = await lockFile(this.fs, join(this.paths.config, file.lockName), {
      kind: 'exclusive',
      timeoutMs: LOCK_TIMEOUT_MS,
      clock: this.clock,
      mode: LOCK_MODE,
      ...(owner === undefined ? {} : { owner }),
    })
    const current = await this.read(file)
    if (options.digest !== undefined && options.digest !== current.digest) {
      throw errors.CONFIG_MODIFIED({ file: file.name })
    }
    const next = await change(current.value)
    if (next === current.value) return
    checkText(file, await this.#readBytes(file))
    const stat = await this.#stat(file)
    await atomicWrite(this.fs, this.pathOf(file), file.format(next), {
      mode: stat === null ? file.mode : stat.mode & (file.modeMask ?? 0o7777),
      owner: stat === null ? owner : ownerToKeep(stat),
      durable: true,
    })
    this.#cache.delete(file.name)
  }

  async #stat(file: { readonly name: string }): Promise<FileStat | null> {
    try {
      return await this.fs.stat(this.pathOf(file))
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return null
      throw error
    }
  }

  async #readBytes(file: { readonly name: string }): Promise<Uint8Array> {
    try {
      return await this.fs.readFile(this.pathOf(file), FILE_SIZE_MAX)
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return new Uint8Array()
      throw error
    }
  }

  /**
   * Owner of new files: as root that of the configuration folder, so that a stock server can take all back; else
   * undefined, whoever runs this.
   */
  async newFileOwner(): Promise<Owner | undefined> {
    if (!isRoot()) return undefined
    const { uid, gid } = await this.fs.stat(this.paths.config)
    return { uid, gid }
  }
}

function ownerToKeep(stat: FileStat): Owner | undefined {
  return isRoot() ? { uid: stat.uid, gid: stat.gid } : undefined
}

function isRoot(): boolean {
  return process.geteuid?.() === 0
}

function versionOf(stat: FileStat): string {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`
}

function checkText(file: { readonly name: string }, bytes: Uint8Array): void {
  if (isUtf8(bytes)) return
  let line = 1
  for (let start = 0; start < bytes.length; line += 1) {
    const end = bytes.indexOf(LINE_END, start) + 1 || bytes.length
    if (!isUtf8(bytes.subarray(start, end))) break
    start = end
  }
  throw errors.CONFIG_UNREADABLE({ file: file.name, reason: `line ${line} is not UTF-8` })
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function parseFile<T>(file: ConfigFile<T>, bytes: Uint8Array): T {
  try {
    return file.parse(bytes)
  } catch (error) {
    if (error instanceof CairnError) throw error
    const reason = toError(error).message
    throw errors.CONFIG_UNREADABLE({ file: file.name, reason }, { cause: error })
  }
}
