/** The names of a chunk folder as the kernel gives them: what a sweep of a million chunks spends its time on. */
import type { ScannedStat } from '../../base/fs/native-scan.ts'
import { DIGEST_SIZE } from '../../formats/digest.ts'
import { readRawDigest } from './chunk-names.ts'
import type { Marks } from './marks.ts'

/** A folder that was read; see `FolderScanner`. */
export interface RawFolder {
  readonly bytes: Uint8Array
  readonly ctimeMs: number
  forEachName(visit: (nameStart: number) => void): void
  stat(nameStart: number): ScannedStat | null
  nameAt(nameStart: number): string
}

const NAME_LENGTH = 2 * DIGEST_SIZE
const START_COUNT = 256

/** Chunks of one folder after the other; all memory is used again. */
export class RawChunks {
  readonly #marks: Marks
  readonly #digest = new Uint8Array(DIGEST_SIZE)
  /** Where the name begins; the complement of it for a chunk without a mark. */
  #places = new Int32Array(START_COUNT)
  #count = 0

  constructor(marks: Marks) {
    this.#marks = marks
  }

  /** Chunks of the folder that was read last. */
  get count(): number {
    return this.#count
  }

  isMarked(index: number): boolean {
    return (this.#places[index] ?? 0) >= 0
  }

  nameStart(index: number): number {
    const place = this.#places[index] ?? 0
    return place >= 0 ? place : ~place
  }

  /** Finds the chunks of folder `prefix`; false if there are names that may be bad chunks or temporary files. */
  read(prefix: number, folder: RawFolder): boolean {
    const { bytes } = folder
    let isPlain = true
    this.#count = 0
    folder.forEachName((start) => {
      const isWhole = bytes[start + NAME_LENGTH] === 0
      if (isWhole && readRawDigest(bytes, start, this.#digest)) this.#add(prefix, start)
      else isPlain &&= bytes.indexOf(0, start) - start <= NAME_LENGTH
    })
    return isPlain
  }

  #add(prefix: number, start: number): void {
    const digest = this.#digest
    // In another folder nobody finds it as a chunk, and these marks may not be for it.
    if ((((digest[0] ?? 0) << 8) | (digest[1] ?? 0)) !== prefix) return
    if (this.#count === this.#places.length) {
      const grown = new Int32Array(this.#count * 2)
      grown.set(this.#places)
      this.#places = grown
    }
    this.#places[this.#count] = this.#marks.has(digest, 0) ? start : ~start
    this.#count += 1
  }
}
