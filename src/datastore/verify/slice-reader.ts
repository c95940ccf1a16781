/** Reading and judging chunks with synchronous calls: run by a worker thread (see verify-slice.ts). */
import { closeSync, lstatSync, openSync, readSync } from 'node:fs'
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
/** Files and bytes that are read with one ticket, so that the disk is not left alone for long meanwhile. */
const BATCH_COUNT = 64
const BATCH_SIZE = 256 << 10
const PAGE_SIZE = 4096
/** Of the name of a chunk's folder. */
const PREFIX_LENGTH = 4
/** What `osErrorText` says of ENOENT; an empty file counts as none. */
const MISSING_TEXT = 'No such file or directory (os error 2)'

const NO_BYTES = new Uint8Array(0)

/** A chunk's file; its bytes are borrowed until the next read. */
interface ReadChunk {
  readonly digest: Digest
  readonly blob: Uint8Array
  readonly problem: ChunkProblem | null
}

/** Checks chunks below one `.chunks` folder; its buffers are used again for every chunk. */
export class SliceReader {
  readonly #folder: string
  readonly #tickets: Tickets
  /** Null where the machine lacks it: then everything is read as if it were on disk alone. */
  readonly #cached: CachedFiles | null
  #waitCount = 0
  #stored = alignedBytes(SCRATCH_SIZE)
  #plain = new Uint8Array(SCRATCH_SIZE)

  constructor(
    folder: string,
    tickets: Tickets,
    cached: CachedFiles | null = CachedFiles.open(folder),
  ) {
    this.#folder = folder
    this.#tickets = tickets
    this.#cached = cached
  }

  /** `check` throws when nobody wants the result any more; it is asked before each chunk. */
  readSlice(slice: VerifySlice, check: () => void): SliceResult {
    const sums = { readSize: 0, decodedSize: 0 }
    const findings: ChunkFinding[] = []
    const judge = (position: number, read: ReadChunk): void => {
      const size = slice.sizes[position] ?? 0
      if (read.blob.length > 0) sums.decodedSize += size
      sums.readSize += read.blob.length
      const { digest, blob } = read
      const expected = { digest, size, encrypted: slice.encrypted }
      const problem = read.problem ?? this.#judge(blob, expected)
      if (problem !== null) findings.push({ position, ...problem })
    }
    this.#waitCount = 0
    const { length } = slice.sizes
    for (let position = 0; position < length; ) {
      check()
      const digest = digestFromBytes(slice.digests, position * DIGEST_SIZE)
      const cached = this.#readCached(digest)
      if (cached === null) position = this.#readWaiting(slice, position, { judge, check })
      else {
        judge(position, { digest, blob: cached, problem: null })
        position += 1
      }
    }
    return { findings, ...sums, waitCount: this.#waitCount }
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

  #judge(blob: Uint8Array, expected: ExpectedChunk): ChunkProblem | null {
    return judgeInPlace(blob, expected, (size) => this.#givePlain(size))
  }

  /** What lies in memory costs no disk anything: it needs no ticket. */
  #readCached(digest: Digest): Uint8Array | null {
    const size = this.#cached?.read(`${digest.slice(0, PREFIX_LENGTH)}/${digest}`, this.#stored)
    const isWhole = size !== undefined && size !== null && size > 0 && size < this.#stored.length
    return isWhole ? this.#stored.subarray(0, size) : null
  }

  /**
   * The chunks from `position` on that fit into a batch, read with one ticket: its way from thread to thread costs more
   * than a small file. Judged when it was given back; the position after them.
   */
  #readWaiting(
    slice: VerifySlice,
    position: number,
    then: {
      readonly judge: (position: number, read: ReadChunk) => void
      readonly check: () => void
    },
  ): number {
    const { judge, check } = then
    const batch: ReadChunk[] = []
    {
      using _ticket = this.#tickets.acquire(check)
      const end = Math.min(slice.sizes.length, position + BATCH_COUNT)
      for (let used = 0; position + batch.length < end && used < BATCH_SIZE; ) {
        check()
        const at = (position + batch.length) * DIGEST_SIZE
        const read = this.#readChunk(digestFromBytes(slice.digests, at), used)
        if (read === null) break
        batch.push(read)
        used = nextPage(used + read.blob.length)
      }
    }
    check()
    this.#waitCount += batch.length
    for (const [index, read] of batch.entries()) judge(position + index, read)
    return position + batch.length
  }

  /** Read to `offset` of the buffer for stored bytes; null if there is not room enough behind others. */
  #readChunk(digest: Digest, offset: number): ReadChunk | null {
    const path = this.#pathOf(digest)
    try {
      const blob = this.#readFile(path, offset)
      if (blob === null) return null
      const problem = blob.length === 0 ? unreadable(path, MISSING_TEXT, true) : null
      return { digest, blob, problem }
    } catch (error) {
      const isMissing = isSystemError(error, 'ENOENT')
      return { digest, blob: NO_BYTES, problem: unreadable(path, osErrorText(error), isMissing) }
    }
  }

  /** One that is too long for a chunk is cut one byte above. */
  #readFile(path: string, offset: number): Uint8Array | null {
    const fd = openSync(path, 'r')
    try {
      for (let size = 0; ; ) {
        if (size > BLOB_SIZE_MAX) return this.#stored
        const end = offset + size
        if (end === this.#stored.length) {
          if (offset > 0) return null
          this.#growStored(size)
        }
        const count = readSync(fd, this.#stored, end, this.#stored.length - end, size)
        if (count === 0) return this.#stored.subarray(offset, end)
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

/** Copies of the kernel to there are fast. */
function nextPage(offset: number): number {
  return Math.ceil(offset / PAGE_SIZE) * PAGE_SIZE
}

function inodeOf(path: string): number {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.ino ?? NO_INODE
  } catch {
    // Reading it will say why.
    return NO_INODE
  }
}
