/** What has to be known of a bucket after a restart: empty files in the state folder. */
import { isSystemError } from '../../base/errors.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'

/**
 * `refreshing`: a refresh began and did not end: the local tree is a mixture (races.md R-40).
 * `rebuilding`: the ledger lacks what only a LIST shows.
 */
export type StateMark = 'refreshing' | 'rebuilding'

const MODE = 0o600

export class StateMarks {
  readonly #fs: FileSystem
  readonly #folder: string

  constructor(fs: FileSystem, folder: string) {
    this.#fs = fs
    this.#folder = folder
  }

  async has(mark: StateMark): Promise<boolean> {
    try {
      await this.#fs.stat(this.#path(mark))
      return true
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return false
      throw error
    }
  }

  /** On stable storage when it resolves. */
  async set(mark: StateMark): Promise<void> {
    {
      await using handle = await this.#fs.open(this.#path(mark), 'read-write-create', MODE)
      await handle.sync()
    }
    await this.#fs.syncFolder(this.#folder)
  }

  async unset(mark: StateMark): Promise<void> {
    await this.#fs.removeTree(this.#path(mark))
    await this.#fs.syncFolder(this.#folder)
  }

  #path(mark: StateMark): string {
    return `${this.#folder}/bucket-${mark}`
  }
}
