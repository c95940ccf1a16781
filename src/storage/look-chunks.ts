/**
 * Looking at many chunk files with synchronous calls: run by a worker thread, where a look costs 3 µs instead of
 * the 30 µs of an awaited call. Order is that of the folders, so that a cold disk reads each folder once.
 */
import { lstatSync } from 'node:fs'

const DIGEST_SIZE = 32
/** Bits for the position in the sort key; 32 bits of digest and 21 of position make a safe integer. */
const POSITION_RANGE = 2 ** 21

/** Most digests of one request. */
export const LOOK_COUNT_MAX = POSITION_RANGE

export interface LookRequest {
  /** The `.chunks` folder. */
  readonly folder: string
  /** 32 bytes each. */
  readonly digests: Uint8Array
  /** Changes in this window are reported as doubtful; milliseconds since the epoch. */
  readonly doubt: { readonly fromMs: number; readonly untilMs: number } | null
  /** Pretended duration of a look, for measurements; 0 otherwise. */
  readonly delayMs: number
}

export interface LookAnswer {
  /** Packed digests without a chunk. */
  readonly missing: Uint8Array
  /** Packed digests whose file changed inside the doubt window. */
  readonly doubtful: Uint8Array
  readonly failure: { readonly digest: string; readonly code: string; readonly text: string } | null
}

/** Looks at each digest once; stops at the first error that is not absence. `check` throws when nobody wants it any more. */
export function lookChunks(request: LookRequest, check: () => void = () => {}): LookAnswer {
  const { folder, digests, doubt, delayMs } = request
  const view = Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength)
  const missing: number[] = []
  const doubtful: number[] = []
  let previous = ''
  for (const position of inFolderOrder(digests)) {
    const hex = view.toString('hex', position * DIGEST_SIZE, (position + 1) * DIGEST_SIZE)
    if (hex === previous) continue
    previous = hex
    // A cold disk takes milliseconds for a look: the end of a session must not wait for a whole request.
    check()
    if (delayMs > 0) pause(delayMs)
    try {
      const stat = lstatSync(`${folder}/${hex.slice(0, 4)}/${hex}`, { throwIfNoEntry: false })
      if (stat === undefined || stat.size === 0) missing.push(position)
      else if (!stat.isFile()) throw new Error('not a regular file')
      else if (doubt !== null && (within(stat.mtimeMs, doubt) || within(stat.ctimeMs, doubt))) {
        doubtful.push(position)
      }
    } catch (error) {
      return { ...pack(digests, missing, doubtful), failure: describe(hex, error) }
    }
  }
  return { ...pack(digests, missing, doubtful), failure: null }
}

/** Positions of the packed digests, ascending by their first four bytes. */
function* inFolderOrder(digests: Uint8Array): Generator<number> {
  const view = new DataView(digests.buffer, digests.byteOffset, digests.byteLength)
  const count = Math.floor(digests.byteLength / DIGEST_SIZE)
  const keys = new Float64Array(count)
  for (let index = 0; index < count; index += 1) {
    keys[index] = view.getUint32(index * DIGEST_SIZE) * POSITION_RANGE + index
  }
  keys.sort()
  for (const key of keys) yield key % POSITION_RANGE
}

function within(timeMs: number, range: { readonly fromMs: number; readonly untilMs: number }) {
  return timeMs >= range.fromMs && timeMs <= range.untilMs
}

function pack(digests: Uint8Array, missing: readonly number[], doubtful: readonly number[]) {
  return { missing: gather(digests, missing), doubtful: gather(digests, doubtful) }
}

function gather(digests: Uint8Array, positions: readonly number[]): Uint8Array {
  const packed = new Uint8Array(positions.length * DIGEST_SIZE)
  positions.forEach((position, index) => {
    const start = position * DIGEST_SIZE
    packed.set(digests.subarray(start, start + DIGEST_SIZE), index * DIGEST_SIZE)
  })
  return packed
}

function describe(digest: string, error: unknown): NonNullable<LookAnswer['failure']> {
  const { code, message } = error as NodeJS.ErrnoException
  return { digest, code: code ?? '', text: message }
}

function pause(delayMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, delayMs)
}
