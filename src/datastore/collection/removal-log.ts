/**
 * What was removed or moved away by ourselves, so that a collection can tell it from what vanished (races.md R-69): a
 * namespace that is not mounted is an empty folder. A note is durable before the removal begins; one without a removal
 * after it explains nothing that is still there. And what came since the last collection, which knows nothing of it.
 *
 * A line of JSON each: the path of a removal, or path and UUIDs of an arrival, which takes a removal noted before back.
 *
 * One file per process, appended and never shared; its owner holds a `flock` on it, so that a collection knows which
 * files of others are still written. Notes end with the first collection that was complete and began after them.
 */
import { randomBytes } from 'node:crypto'
import { SharedRun } from '../../base/async/shared-run.ts'
import { isSystemError } from '../../base/errors.ts'
import type { FileHandle, FileSystem } from '../../base/fs/file-system.ts'

const FILE_MODE = 0o600
const FILE_NAME = /^[0-9a-f]{16}\.log$/
/** A hundred bytes a note: a million removals between two collections. */
const FILE_SIZE_MAX = 1 << 28

/** The notes of one moment; `files` are those that may be forgotten after a complete run. */
export interface RemovalNotes {
  /** Paths below the datastore's folder: each explains itself and everything below. */
  readonly paths: ReadonlySet<string>
  /** Hex digits of the UUIDs of the indexes of snapshots that came, by the path of the snapshot. */
  readonly arrivals: ReadonlyMap<string, readonly string[]>
  readonly files: readonly string[]
}

interface FileNotes {
  readonly paths: Set<string>
  readonly arrivals: Map<string, readonly string[]>
}

export class RemovalLog {
  readonly #fs: FileSystem
  readonly #folder: string
  readonly #runs = new SharedRun()
  #pending: string[] = []
  #open: { readonly handle: FileHandle; size: number } | null = null
  #mustEnd = false

  /** `folder` is made when it is first needed. */
  constructor(fs: FileSystem, folder: string) {
    this.#fs = fs
    this.#folder = folder
  }

  /** Durable when it resolves; `path` is relative to the datastore's folder. Throws system errors: nothing may be removed then. */
  async note(path: string): Promise<void> {
    await this.#add(path)
  }

  /** A snapshot with these indexes (UUIDs) is at `path` now. Durable when it resolves. */
  async noteArrival(path: string, uuids: readonly string[]): Promise<void> {
    await this.#add([path, uuids])
  }

  /** All notes. The file of this process is ended, so that later notes go into another one. */
  async seal(): Promise<RemovalNotes> {
    await this.close()
    const notes = emptyNotes()
    const files: string[] = []
    for (const name of await this.#names()) {
      const file = `${this.#folder}/${name}`
      if (await this.#isWritten(file)) await this.#read(file, notes)
      else if (await this.#read(file, notes)) files.push(file)
    }
    return { ...notes, files }
  }

  /** All removals that are noted now, nothing ended. */
  async read(): Promise<ReadonlySet<string>> {
    const notes = emptyNotes()
    for (const name of await this.#names()) await this.#read(`${this.#folder}/${name}`, notes)
    return notes.paths
  }

  /** Forgets what `seal` gave. */
  async forget(notes: RemovalNotes): Promise<void> {
    for (const file of notes.files) await this.#fs.unlink(file).catch(ignoreMissing)
  }

  /** Ends the file of this process; the next note begins another. */
  async close(): Promise<void> {
    this.#mustEnd = true
    await this.#runs.run(async () => await this.#flush())
  }

  async #add(note: unknown): Promise<void> {
    this.#pending.push(`${JSON.stringify(note)}\n`)
    await this.#runs.run(async () => await this.#flush())
  }

  async #flush(): Promise<void> {
    const lines = this.#pending.splice(0)
    if (lines.length > 0) await this.#append(lines)
    if (!this.#mustEnd) return
    this.#mustEnd = false
    const open = this.#open
    this.#open = null
    await open?.handle.close()
  }

  async #append(lines: readonly string[]): Promise<void> {
    const open = (this.#open ??= await this.#create())
    const bytes = Buffer.from(lines.join(''))
    try {
      await open.handle.write(bytes, open.size)
      await open.handle.sync()
      open.size += bytes.length
    } catch (error) {
      // What a failed sync left is not known: the next note goes elsewhere.
      this.#open = null
      await open.handle.close()
      throw error
    }
  }

  async #create(): Promise<{ readonly handle: FileHandle; size: number }> {
    await this.#fs.mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const path = `${this.#folder}/${randomBytes(8).toString('hex')}.log`
    const handle = await this.#fs.open(path, 'create-new', FILE_MODE)
    try {
      handle.tryLock('flock', 'exclusive')
      await this.#fs.syncFolder(this.#folder)
    } catch (error) {
      await handle.close()
      throw error
    }
    return { handle, size: 0 }
  }

  /** Whether another process has it open. */
  async #isWritten(file: string): Promise<boolean> {
    try {
      await using handle = await this.#fs.open(file, 'read')
      return !handle.tryLock('flock', 'exclusive')
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return true
      throw error
    }
  }

  /** False if it vanished. A last line without end is one that was never durable. */
  async #read(file: string, notes: FileNotes): Promise<boolean> {
    let text: string
    try {
      text = Buffer.from(await this.#fs.readFile(file, FILE_SIZE_MAX)).toString()
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return false
      throw error
    }
    const own = emptyNotes()
    for (const line of text.split('\n').slice(0, -1)) readLine(line, own)
    // Which file is the later one nobody knows: a removal in one of them counts.
    for (const path of own.paths) notes.paths.add(path)
    for (const [path, uuids] of own.arrivals) notes.arrivals.set(path, uuids)
    return true
  }

  async #names(): Promise<string[]> {
    try {
      const entries = await this.#fs.readDir(this.#folder)
      return entries.map(({ name }) => name).filter((name) => FILE_NAME.test(name))
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return []
      throw error
    }
  }
}

/** The note about `path` or a folder above it, or null. */
export function explanationOf(path: string, removed: ReadonlySet<string>): string | null {
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    const above = path.slice(0, end)
    if (removed.has(above)) return above
  }
  return null
}

function emptyNotes(): FileNotes {
  return { paths: new Set(), arrivals: new Map() }
}

/** A line damaged by a power cut explains nothing. */
function readLine(line: string, { paths, arrivals }: FileNotes): void {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return
  }
  if (typeof value === 'string') {
    paths.add(value)
    arrivals.delete(value)
  } else if (isArrival(value)) {
    const [path, uuids] = value
    paths.delete(path)
    arrivals.set(path, uuids)
  }
}

function isArrival(value: unknown): value is [path: string, uuids: string[]] {
  if (!Array.isArray(value)) return false
  const [path, uuids] = value as unknown[]
  return typeof path === 'string' && Array.isArray(uuids)
}

function ignoreMissing(error: unknown): void {
  if (!isSystemError(error, 'ENOENT')) throw error
}
