/**
 * What else happens to a disk while a server works on it, between any two of its steps: other programs sync small files
 * of theirs, and the kernel writes back some file, or a part of one. Without it a power cut loses whole files only, and
 * shows nothing (races.md R-62). In the server's process, so that a seed decides it and a round costs milliseconds.
 */
import { closeSync, fsyncSync, openSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { isSystemError } from '../../src/base/errors.ts'
import { nativeCall } from '../../src/base/fs/native.ts'
import type { Random } from '../simulator/random.ts'
import type { Step } from '../support/fault-file-system.ts'

/** How often a step has something before it. */
const SYNC_CHANCE = 0.15
const WRITE_BACK_CHANCE = 0.4
/** Of one file, those that write its end alone: after a cut it has its size, and zeros before. */
const END_CHANCE = 0.5
/** Large enough for pages that are kept together. */
const END_PAGES = 8
const WRITE_BACK = 'int sync_file_range(int fd, int64_t offset, int64_t count, unsigned int flags)'
/** Start writing and wait for its end. */
const WRITE_AND_WAIT = 7
const PAGE = 4096

export class CutNoise {
  readonly #folder: string
  readonly #chunks: string
  readonly #random: Random
  readonly #written = new Set<string>()
  /** Of these, what was not written back yet. */
  readonly #unsynced = new Set<string>()

  /** `folder`: the mounted disk; `chunks`: the chunk folders of the datastore. */
  constructor(folder: string, chunks: string, random: Random) {
    this.#folder = folder
    this.#chunks = `${chunks}/`
    this.#random = random
  }

  /** Chunk files that were written, under the names that they had then: those of temporaries, too. */
  get written(): ReadonlySet<string> {
    return this.#written
  }

  /** To be called before each step. */
  beforeStep({ name, path }: Step): void {
    if (this.#random.chance(SYNC_CHANCE)) this.syncBeside()
    if (this.#unsynced.size > 0 && this.#random.chance(WRITE_BACK_CHANCE)) this.#writeBack()
    if (name === 'handle.write' || name === 'handle.writev') this.#note(path)
  }

  /** A chunk is written under a temporary name first: `<digest>.tmp_XXXXXX`. */
  #note(path: string): void {
    if (!path.startsWith(this.#chunks)) return
    const name = path.replace(/\.tmp_.*$/, '')
    this.#written.add(path)
    this.#written.add(name)
    this.#unsynced.add(name)
  }

  /** A sync of a stranger commits the journal, and with it names whose content is not written yet. */
  syncBeside(): void {
    const file = openSync(join(this.#folder, 'beside'), 'w')
    writeSync(file, `${this.#random.next()}\n`, 0)
    fsyncSync(file)
    closeSync(file)
  }

  /** Some of a chunk, as memory pressure takes one of many; what is left of it waits for a sync. */
  #writeBack(): void {
    const path = this.#random.pick([...this.#unsynced])
    try {
      const pages = Math.ceil(statSync(path).size / PAGE)
      const isEnd = this.#random.chance(END_CHANCE)
      const first = isEnd ? Math.max(0, pages - this.#random.below(END_PAGES) - 1) : 0
      const count = isEnd ? pages - first : this.#random.below(pages) + 1
      const file = openSync(path, 'r')
      nativeCall(WRITE_BACK, [file, first * PAGE, count * PAGE, WRITE_AND_WAIT], { path })
      closeSync(file)
      this.#unsynced.delete(path)
    } catch (error) {
      // It has its name not yet, or was removed.
      if (!isSystemError(error, 'ENOENT')) throw error
    }
  }
}
