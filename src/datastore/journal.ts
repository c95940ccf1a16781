/**
 * Names of the snapshots that our own sessions have begun and not ended, one file each in the state folder
 * (races.md R-62): only these are removed at start, anything else without a manifest may be somebody's only copy.
 *
 * The entry is durable before the snapshot's folder is made, and goes after the folder is finished or gone.
 */
import { randomBytes } from 'node:crypto'
import { isSystemError } from '../base/errors.ts'
import { atomicWrite } from '../base/fs/atomic-write.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import { parseSnapshot, type SnapshotRef, formatSnapshot } from '../formats/names.ts'
import { type NamespacePath, parseNamespace } from '../formats/namespace.ts'

export interface JournalEntry {
  /** 32 hex digits; also part of the name of the session's pending manifest. */
  readonly id: string
  /** The datastore's folder. */
  readonly base: string
  readonly ns: NamespacePath
  readonly ref: SnapshotRef
}

const ENTRY_MODE = 0o600
const ENTRY_SIZE_MAX = 65_536
const ENTRY_NAME = /^([0-9a-f]{32})\.json$/

export class Journal {
  readonly #fs: FileSystem
  readonly #folder: string

  /** `folder` is made when it is first needed. */
  constructor(fs: FileSystem, folder: string) {
    this.#fs = fs
    this.#folder = folder
  }

  /** Writes an entry. */
  async begin(
    snapshot: Omit<JournalEntry, 'id'>,
    options: { readonly durable: boolean },
  ): Promise<JournalEntry> {
    await this.#fs.mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const entry = { ...snapshot, id: randomBytes(16).toString('hex') }
    const data = { base: entry.base, ns: entry.ns, snapshot: formatSnapshot(entry.ref) }
    const bytes = Buffer.from(`${JSON.stringify(data)}\n`)
    const { durable } = options
    await atomicWrite(this.#fs, this.#path(entry.id), bytes, { mode: ENTRY_MODE, durable })
    return entry
  }

  /** Forgets an entry; one that comes back after a power cut meets a finished snapshot, or none. */
  async end(id: string): Promise<void> {
    try {
      await this.#fs.unlink(this.#path(id))
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
    }
  }

  /** All entries; damaged ones (a power cut before they were durable) are forgotten: no folder followed them. */
  async list(): Promise<JournalEntry[]> {
    const entries: JournalEntry[] = []
    for (const name of await this.#names()) {
      const id = ENTRY_NAME.exec(name)?.[1]
      if (id === undefined) continue
      const entry = await this.#read(id)
      if (entry === 'gone') continue
      if (entry === 'damaged') await this.end(id)
      else entries.push(entry)
    }
    return entries
  }

  async #names(): Promise<string[]> {
    try {
      return (await this.#fs.readDir(this.#folder)).map((entry) => entry.name)
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return []
      throw error
    }
  }

  async #read(id: string): Promise<JournalEntry | 'gone' | 'damaged'> {
    let bytes: Uint8Array
    try {
      bytes = await this.#fs.readFile(this.#path(id), ENTRY_SIZE_MAX)
    } catch (error) {
      // Another process ended the session just now.
      if (isSystemError(error, 'ENOENT')) return 'gone'
      throw error
    }
    try {
      const data = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>
      const { base, ns, snapshot } = data
      if (typeof base !== 'string' || typeof ns !== 'string' || typeof snapshot !== 'string') {
        return 'damaged'
      }
      return { id, base, ns: parseNamespace(ns), ref: parseSnapshot(snapshot) }
    } catch {
      return 'damaged'
    }
  }

  #path(id: string): string {
    return `${this.#folder}/${id}.json`
  }
}
