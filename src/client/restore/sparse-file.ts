/** Writes a file's content in order and leaves holes where it is zero (pxar.md 16.3). */
import { ftruncateSync, writeSync } from 'node:fs'

/** Smallest hole file systems keep. */
const BLOCK_SIZE = 4096
const ZEROS = Buffer.alloc(BLOCK_SIZE)

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
      at += writeSync(this.#fd, buffer, at, end - at, this.#position + at)
    }
  }
}

function isZero(buffer: Buffer, start: number, end: number): boolean {
  // Most blocks are told by their first byte.
  if (buffer[start] !== 0) return false
  return buffer.compare(ZEROS, 0, end - start, start, end) === 0
}
