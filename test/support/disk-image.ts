/**
 * What a block device holds at one moment, taken below a mounted file system: what power lost at that moment would leave.
 * The device is a loop device, whose file has what was written to it; holes are left out. The memory of images is used
 * again: there are many, of some megabytes each.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { nativeCall } from '../../src/base/fs/native.ts'

const SEEK = 'int64_t lseek(int fd, int64_t offset, int whence)'
const SEEK_DATA = 3
const SEEK_HOLE = 4
const ALLOCATE = 'int fallocate(int fd, int mode, int64_t offset, int64_t length)'
/** `FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE`. */
const PUNCH_HOLE = 3
/** Of `/sys/block/<device>/stat`: writes, discards and flushes that ended; requests under way. */
const ENDED_COLUMNS = [4, 11, 15]
const UNDER_WAY_COLUMN = 8
/** A device that is never quiet would hold a test for ever. */
const ATTEMPTS_MAX = 10_000
const PAUSE_MS = 0.2
/** Memory that waits for the next image. */
const SPARE_COUNT_MAX = 32
/** So that the next image, which may be a little larger, fits into the same memory. */
const RESERVE = 1.25

interface Extent {
  readonly offset: number
  readonly length: number
}

export interface DiskImage extends Disposable {
  readonly size: number
  readonly extents: readonly Extent[]
  /** Their content, one after the other; somebody else's after the image was disposed. */
  readonly bytes: Buffer
}

const spare: Buffer[] = []
const pause = new Int32Array(new SharedArrayBuffer(4))

/**
 * Reads the file `path` of the device `/dev/loopN`. No request of the device is under way from its begin to its end: a
 * copy made beside writes could have a later one and lack an earlier one.
 */
export function captureDisk(path: string, device: string): DiskImage {
  const statistics = `/sys/block/${device.replace('/dev/', '')}/stat`
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const before = requestsOf(statistics)
    if (before.underWay === 0) {
      const image = readImage(path)
      const after = requestsOf(statistics)
      if (after.underWay === 0 && after.ended === before.ended) return image
      image[Symbol.dispose]()
    }
    Atomics.wait(pause, 0, 0, PAUSE_MS)
  }
  throw new Error(`${device} is never quiet`)
}

/** Reads the file of a device that nobody writes to. */
export function readImage(path: string): DiskImage {
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    const extents = extentsOf(file, size)
    const bytes = takeMemory(extents.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const { offset, length } of extents) at += readSync(file, bytes, at, length, offset)
    return { size, extents, bytes, [Symbol.dispose]: () => giveBack(bytes) }
  } finally {
    closeSync(file)
  }
}

/** Makes `path`, the file of a device that nobody has mounted, what `image` is. It must have the image's size. */
export function writeImage(path: string, { size, extents, bytes }: DiskImage): void {
  const file = openSync(path, 'r+')
  try {
    let at = 0
    let end = 0
    for (const { offset, length } of extents) {
      punch(file, end, offset)
      at += writeSync(file, bytes, at, length, offset)
      end = offset + length
    }
    punch(file, end, size)
  } finally {
    closeSync(file)
  }
}

function extentsOf(file: number, size: number): Extent[] {
  const extents: Extent[] = []
  for (let end = 0; ; ) {
    const offset = seek(file, end, SEEK_DATA)
    if (offset === null) return extents
    end = seek(file, offset, SEEK_HOLE) ?? size
    extents.push({ offset, length: end - offset })
  }
}

/** Null at the end of the file. */
function seek(file: number, offset: number, whence: number): number | null {
  return nativeCall(SEEK, [file, offset, whence], { allowed: ['ENXIO'] })
}

function punch(file: number, start: number, end: number): void {
  if (end > start) nativeCall(ALLOCATE, [file, PUNCH_HOLE, start, end - start])
}

function takeMemory(length: number): Buffer {
  const found = spare.findIndex((bytes) => bytes.length >= length)
  const [bytes] = found < 0 ? [] : spare.splice(found, 1)
  return bytes ?? Buffer.allocUnsafeSlow(Math.ceil(length * RESERVE))
}

function giveBack(bytes: Buffer): void {
  spare.push(bytes)
  // The oldest are the smallest: disks fill up.
  if (spare.length > SPARE_COUNT_MAX) spare.shift()
}

function requestsOf(statistics: string): { readonly ended: number; readonly underWay: number } {
  const columns = readFileSync(statistics, 'utf8').trim().split(/\s+/).map(Number)
  const ended = ENDED_COLUMNS.reduce((sum, column) => sum + (columns[column] ?? 0), 0)
  return { ended, underWay: columns[UNDER_WAY_COLUMN] ?? 0 }
}
