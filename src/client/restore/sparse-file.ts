/** Writes a file's content in order and leaves holes where it is zero (pxar.md 16.3). */
import { ftruncateSync, writeSync } from 'node:fs'
import { writeUncachedSync } from '../../base/fs/native-uncached.ts'

/** Smallest hole file systems keep. */
const BLOCK_SIZE = 4096
const ZEROS = Buffer.alloc(BLOCK_SIZE)
/**
 * Bytes of one write of which the cache keeps nothing: most of a tree's content lies in such files, and a virtual machine
 * spends more time on fresh memory for the cache than on all else. Less would not pay for the disk's work per write.
 */
const UNCACHED_SIZE_MIN = 64 * 1024

/** False once it did not work: who refuses one write refuses the others. */
let isUncached = true

/** A file that is open for writing and empty. Errors: system errors. */
export class SparseFile {
  readonly #fd: number
  #position = 0
  #endsInHole = false

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Appends `bytes`, which are read only until it returns. */
  write(bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let dataStart = 0
    for (let at = 0; at < buffer.length; ) {
      const blockEnd = at + BLOCK_SIZE - ((this.#position + at) % BLOCK_SIZE)
      const end = Math.min(blockEnd, buffer.length)
      if (isZero(buffer, at, end)) {
        this.#put(buffer, dataStart, at)
        dataStart = end
      }
      at = end
    }
    this.#put(buffer, dataStart, buffer.length)
    this.#endsInHole = dataStart === buffer.length
    this.#position += buffer.length
  }

  /** Gives the file its size if a hole ends it. */
  finish(): void {
    if (this.#endsInHole) ftruncateSync(this.#fd, this.#position)
  }

  #put(buffer: Buffer, start: number, end: number): void {
    for (let at = start; at < end; ) {
      at +=
        this.#putUncached(buffer, at, end) ??
        writeSync(this.#fd, buffer, at, end - at, this.#position + at)
    }
  }

  /** Count of bytes written, or null: an ordinary write has to do it, or tells why not. */
  #putUncached(buffer: Buffer, start: number, end: number): number | null {
    if (!isUncached || end - start < UNCACHED_SIZE_MIN) return null
    const count = writeUncachedSync(this.#fd, buffer.subarray(start, end), this.#position + start)
    isUncached = count !== null
    return count
  }
}

function isZero(buffer: Buffer, start: number, end: number): boolean {
  // Most blocks are told by their first byte.
  if (buffer[start] !== 0) return false
  return buffer.compare(ZEROS, 0, end - start, start, end) === 0
}
