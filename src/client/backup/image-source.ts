/** Disk images: a file, a block device or a pipe as chunks of one size. */
import { constants, open as openDescriptor } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { promisify } from 'node:util'
import { isSystemError } from '../../base/errors.ts'
import { endOffset, nextDataOffset } from '../../base/fs/native-holes.ts'
import type { BufferPool } from './buffer-pool.ts'
import type { SourceChunk } from './source-chunk.ts'
import { errors } from '../errors.ts'
import { systemText } from '../host.ts'

export interface ImageSource extends AsyncDisposable {
  /** Bytes; null for a pipe. */
  readonly size: number | null
  /** Whole chunks of `chunkSize`, the last one may be short. To be read once. */
  chunks(pool: BufferPool, chunkSize: number): AsyncGenerator<SourceChunk, void, undefined>
}

/** The size of a block device is not in its stat; it is below this. */
const LARGEST_DEVICE = 2 ** 53
/** Unit of `blocks` in a stat. */
const BLOCK_SIZE = 512

/** Opens `path`. @throws SOURCE_UNREADABLE, SOURCE_EMPTY */
export async function openImage(path: string): Promise<ImageSource> {
  let handle: FileHandle
  try {
    if ((await stat(path)).isFIFO()) return await PipeSource.open(path)
    handle = await open(path, 'r')
  } catch (cause) {
    throw errors.SOURCE_UNREADABLE({ path, reason: systemText(cause) })
  }
  try {
    const facts = await handle.stat()
    const size = facts.isBlockDevice() ? await deviceSize(handle) : facts.size
    if (size === 0) throw errors.SOURCE_EMPTY({ path })
    const isSparse = facts.isFile() && facts.blocks * BLOCK_SIZE < size
    return new FileSource(handle, { path, size, isSparse })
  } catch (error) {
    await handle.close()
    throw error
  }
}

interface FileFacts {
  readonly path: string
  readonly size: number
  /** Whether it has holes that are worth to be asked for. */
  readonly isSparse: boolean
}

class FileSource implements ImageSource {
  readonly size: number
  readonly #handle: FileHandle
  readonly #facts: FileFacts

  constructor(handle: FileHandle, facts: FileFacts) {
    this.#handle = handle
    this.#facts = facts
    this.size = facts.size
  }

  async *chunks(pool: BufferPool, chunkSize: number): AsyncGenerator<SourceChunk, void, undefined> {
    const zeros = new Uint8Array(this.#facts.isSparse ? chunkSize : 0)
    let dataOffset = 0
    for (let offset = 0; offset < this.size; offset += chunkSize) {
      const wanted = Math.min(chunkSize, this.size - offset)
      if (this.#facts.isSparse && dataOffset <= offset) {
        dataOffset = nextDataOffset(this.#handle.fd, offset) ?? this.size
      }
      if (dataOffset >= offset + wanted) {
        yield { bytes: zeros.subarray(0, wanted), isZero: true, release: () => {} }
      } else {
        yield await this.#read(pool, offset, wanted)
      }
    }
  }

  async #read(pool: BufferPool, offset: number, wanted: number): Promise<SourceChunk> {
    const buffer = pool.take()
    const bytes = buffer.subarray(0, wanted)
    const count = await fill(this.#handle, bytes, offset)
    if (count < wanted) {
      const { path, size } = this.#facts
      throw errors.SOURCE_SIZE_CHANGED({ path, expected: size, actual: offset + count })
    }
    return { bytes, release: () => pool.give(buffer) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
  }
}

/**
 * A pipe is read as a socket: a read that waits in libuv's pool for a silent writer could not be taken back, and not
 * even `process.exit` would come past it.
 */
class PipeSource implements ImageSource {
  readonly size = null
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Without waiting for a writer, which blocks just the same. */
  static async open(path: string): Promise<PipeSource> {
    const flags = constants.O_RDONLY | constants.O_NONBLOCK
    const fd = await promisify(openDescriptor)(path, flags)
    return new PipeSource(new Socket({ fd, readable: true, writable: false }))
  }

  async *chunks(pool: BufferPool, chunkSize: number): AsyncGenerator<SourceChunk, void, undefined> {
    let buffer = pool.take()
    let count = 0
    const take = (size: number): SourceChunk => {
      const full = buffer
      return { bytes: full.subarray(0, size), release: () => pool.give(full) }
    }
    for await (const piece of this.#socket as AsyncIterable<Buffer>) {
      for (let done = 0; done < piece.length; ) {
        const copied = piece.copy(buffer, count, done, done + chunkSize - count)
        done += copied
        count += copied
        if (count < chunkSize) continue
        yield take(count)
        buffer = pool.take()
        count = 0
      }
    }
    if (count > 0) yield take(count)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy()
    await Promise.resolve()
  }
}

/** Reads until `buffer` is full or the source ends; count of bytes. */
async function fill(handle: FileHandle, buffer: Uint8Array, position: number): Promise<number> {
  let count = 0
  while (count < buffer.length) {
    const rest = buffer.length - count
    const { bytesRead } = await handle.read(buffer, count, rest, position + count)
    if (bytesRead === 0) break
    count += bytesRead
  }
  return count
}

/** Codes of a read that begins where there is no device any more. */
const OUTSIDE = ['EINVAL', 'ENXIO', 'EFBIG', 'EOVERFLOW']

/**
 * Bytes of a block device: where seeking ends, or else the last readable byte, found by halving. Errors: those of
 * reading; a bad sector must not pass for the end.
 */
export async function deviceSize(handle: Pick<FileHandle, 'fd' | 'read'>): Promise<number> {
  const end = endOffset(handle.fd)
  if (end !== null) return end
  const byte = new Uint8Array(1)
  const isInside = async (offset: number) => {
    try {
      return (await handle.read(byte, 0, 1, offset)).bytesRead === 1
    } catch (error) {
      if (isSystemError(error, ...OUTSIDE)) return false
      throw error
    }
  }
  let low = 0
  let high = LARGEST_DEVICE
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (await isInside(middle)) low = middle + 1
    else high = middle
  }
  return low
}
