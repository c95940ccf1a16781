/** Reading and judging chunks with synchronous calls: run by a worker thread (see verify-slice.ts). */
import { closeSync, lstatSync, openSync, readSync } from 'node:fs'
import type { Allocate } from '../../base/buffer-pool.ts'
import { isSystemError } from '../../base/errors.ts'
import { alignedBytes } from '../../base/fs/native-address.ts'
import { CachedFiles } from '../../base/fs/native-cached.ts'
import { BLOB_SIZE_MAX } from '../../formats/data-blob.ts'
import { type Digest, digestFromBytes, DIGEST_SIZE } from '../../formats/digest.ts'
import { osErrorText } from '../../storage/os-error-text.ts'
import { errors } from '../errors.ts'
import { NO_INODE, positionsByInode } from './inode-order.ts'
import type { ChunkProblem, ExpectedChunk } from './judge-chunk.ts'
import { judgeInPlace } from './run-judge.ts'
import type { Tickets } from './tickets.ts'
import type { ChunkFinding, SliceResult, VerifySlice } from './verify-slice.ts'

/** Most chunks are 4 MiB with a header, or less. */
const SCRATCH_SIZE = (4 << 20) + 4096
/** Of the name of a chunk's folder. */
const PREFIX_LENGTH = 4
/** What `osErrorText` says of ENOENT; an empty file counts as none. */
const MISSING_TEXT = 'No such file or directory (os error 2)'

/** Checks chunks below one `.chunks` folder; its buffers are used again for every chunk. */
export class SliceReader {
  readonly #folder: string
  readonly #tickets: Tickets
  /** Null where the machine lacks it: then everything is read as if it were on disk alone. */
  readonly #cached: CachedFiles | null
  #waitCount = 0
  #stored = alignedBytes(SCRATCH_SIZE)
  #plain = new Uint8Array(SCRATCH_SIZE)

  constructor(folder: string, tickets: Tickets) {
    this.#folder = folder
    this.#tickets = tickets
    this.#cached = CachedFiles.open(folder)
  }

  /** `check` throws when nobody wants the result any more; it is asked before each chunk. */
  readSlice(slice: VerifySlice, check: () => void): SliceResult {
    const findings: ChunkFinding[] = []
    let readSize = 0
    let decodedSize = 0
    this.#waitCount = 0
    for (const [position, size] of slice.sizes.entries()) {
      check()
      const digest = digestFromBytes(slice.digests, position * DIGEST_SIZE)
      const expected = { digest, size, encrypted: slice.encrypted }
      const { blobSize, problem } = this.#readChunk(expected, check)
      readSize += blobSize
      if (blobSize > 0) decodedSize += size
      if (problem !== null) findings.push({ position, ...problem })
    }
    return { findings, readSize, decodedSize, waitCount: this.#waitCount }
  }

  /** See `VerifyEngine.order`. */
  order(digests: Uint8Array, check: () => void): Uint32Array {
    const inodes = new Float64Array(digests.length / DIGEST_SIZE)
    for (const position of inodes.keys()) {
      check()
      const path = this.#pathOf(digestFromBytes(digests, position * DIGEST_SIZE))
      inodes[position] = inodeOf(path)
    }
    return positionsByInode(inodes)
  }

  #readChunk(
    expected: ExpectedChunk,
    check: () => void,
  ): { readonly blobSize: number; readonly problem: ChunkProblem | null } {
    const path = this.#pathOf(expected.digest)
    let blob: Uint8Array
    try {
      blob = this.#readCached(expected.digest) ?? this.#readWaiting(path, check)
    } catch (error) {
      check()
      const isMissing = isSystemError(error, 'ENOENT')
      return { blobSize: 0, problem: unreadable(path, osErrorText(error), isMissing) }
    }
    if (blob.length === 0) return { blobSize: 0, problem: unreadable(path, MISSING_TEXT, true) }
    const allocate: Allocate = (size) => this.#givePlain(size)
    return { blobSize: blob.length, problem: judgeInPlace(blob, expected, allocate) }
  }

  /** What lies in memory costs no disk anything: it needs no ticket. */
  #readCached(digest: Digest): Uint8Array | null {
    const size = this.#cached?.read(`${digest.slice(0, PREFIX_LENGTH)}/${digest}`, this.#stored)
    const isWhole = size !== undefined && size !== null && size > 0 && size < this.#stored.length
    return isWhole ? this.#stored.subarray(0, size) : null
  }

  #readWaiting(path: string, check: () => void): Uint8Array {
    this.#waitCount += 1
    using _ticket = this.#tickets.acquire(check)
    return this.#readFile(path)
  }

  /** The file in the buffer for stored bytes; one that is too long for a chunk is cut one byte above. */
  #readFile(path: string): Uint8Array {
    const fd = openSync(path, 'r')
    try {
      for (let size = 0; ; ) {
        if (size > BLOB_SIZE_MAX) return this.#stored
        if (size === this.#stored.length) this.#growStored(size)
        const count = readSync(fd, this.#stored, size, this.#stored.length - size, size)
        if (count === 0) return this.#stored.subarray(0, size)
        size += count
      }
    } finally {
      closeSync(fd)
    }
  }

  #growStored(used: number): void {
    const larger = alignedBytes(BLOB_SIZE_MAX + 1)
    larger.set(this.#stored.subarray(0, used))
    this.#stored = larger
  }

  #givePlain(size: number): Uint8Array<ArrayBuffer> {
    if (size > this.#plain.length) this.#plain = new Uint8Array(size)
    return this.#plain.subarray(0, size)
  }

  #pathOf(digest: string): string {
    return `${this.#folder}/${digest.slice(0, PREFIX_LENGTH)}/${digest}`
  }
}

/** The problem of a chunk whose file cannot be read, with stock's text. */
export function unreadable(path: string, reason: string, isMissing: boolean): ChunkProblem {
  const { message } = errors.CHUNK_FILE_UNREADABLE({ path, reason })
  return { kind: isMissing ? 'missing' : 'unreadable', text: message }
}

function inodeOf(path: string): number {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.ino ?? NO_INODE
  } catch {
    // Reading it will say why.
    return NO_INODE
  }
}
