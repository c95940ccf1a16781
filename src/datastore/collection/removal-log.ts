/**
 * What was removed or moved away by ourselves, so that a collection can tell it from what vanished (races.md R-69): a
 * namespace that is not mounted is an empty folder. A note is durable before the removal begins; one without a removal
 * after it explains nothing that is still there.
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
  readonly files: readonly string[]
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
    this.#pending.push(path)
    await this.#runs.run(async () => await this.#flush())
  }

  /** All notes. The file of this process is ended, so that later notes go into another one. */
  async seal(): Promise<RemovalNotes> {
    await this.close()
    const paths = new Set<string>()
    const files: string[] = []
    for (const name of await this.#names()) {
      const file = `${this.#folder}/${name}`
      if (await this.#isWritten(file)) await this.#read(file, paths)
      else if (await this.#read(file, paths)) files.push(file)
    }
    return { paths, files }
  }

  /** All notes as they are now, nothing ended. */
  async read(): Promise<ReadonlySet<string>> {
    const paths = new Set<string>()
    for (const name of await this.#names()) await this.#read(`${this.#folder}/${name}`, paths)
    return paths
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

  async #flush(): Promise<void> {
    const paths = this.#pending.splice(0)
    if (paths.length > 0) await this.#append(paths)
    if (!this.#mustEnd) return
    this.#mustEnd = false
    const open = this.#open
    this.#open = null
    await open?.handle.close()
  }

  async #append(paths: readonly string[]): Promise<void> {
    const open = (this.#open ??= await this.#create())
    const bytes = Buffer.from(paths.map((path) => `${JSON.stringify(path)}\n`).join(''))
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
  async #read(file: string, paths: Set<string>): Promise<boolean> {
    let text: string
    try {
      text = Buffer.from(await this.#fs.readFile(file, FILE_SIZE_MAX)).toString()
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return false
      throw error
    }
    for (const line of text.split('\n').slice(0, -1)) {
      const path = parseLine(line)
      if (path !== null) paths.add(path)
    }
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

/** A line damaged by a power cut explains nothing. */
function parseLine(line: string): string | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'string' ? value : null
  } catch {
    return null
  }
}

function ignoreMissing(error: unknown): void {
  if (!isSystemError(error, 'ENOENT')) throw error
}
