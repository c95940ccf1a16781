/**
 * Chunks that an index names and that are gone (races.md R-32): found corrupt and renamed, or not there at all. A
 * snapshot that names one is offered to no client as base, or the loss would spread over all that build on it, though
 * they were never verified. One empty file for each, so that every process sees them and none loses another's.
 */
import { isSystemError } from '../base/errors.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import { type Digest, isDigest } from '../formats/digest.ts'

/** More say nothing new: the look at known chunks still fails each session that would rely on one. */
const MISSING_COUNT_MAX = 10_000

export class MissingChunks {
  readonly #fs: FileSystem
  readonly #folder: string

  /** `folder` is made when it is first needed. */
  constructor(fs: FileSystem, folder: string) {
    this.#fs = fs
    this.#folder = folder
  }

  /** Those known; usually none. */
  async list(): Promise<Digest[]> {
    try {
      const entries = await this.#fs.readDir(this.#folder)
      return entries.flatMap(({ name }) => (isDigest(name) ? [name] : []))
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return []
      throw error
    }
  }

  async add(digest: Digest): Promise<void> {
    if ((await this.list()).length >= MISSING_COUNT_MAX) return
    await this.#fs.mkdir(this.#folder, { recursive: true, mode: 0o700 })
    await using _file = await this.#fs.open(`${this.#folder}/${digest}`, 'create', 0o600)
  }

  /** Forgets one that is there again. */
  async remove(digest: Digest): Promise<void> {
    try {
      await this.#fs.unlink(`${this.#folder}/${digest}`)
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
    }
  }
}
