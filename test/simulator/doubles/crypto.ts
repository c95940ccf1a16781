/** `node:crypto` for the code under test: random bytes count up, digests are computed at once, and once. */
import { createHash as realHash, type BinaryToTextEncoding, type Hash } from 'node:crypto'
import { memoized } from './memo.ts'
import { drawNumber } from './runtime.ts'

export * from 'node:crypto'

export function randomBytes(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  let state = Math.imul(drawNumber(), 0x9e37_79b1) >>> 0
  for (let index = 0; index < size; index += 1) {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + index) >>> 0
    bytes[index] = state >>> 8
  }
  return bytes
}

export function randomInt(first: number, second?: number): number {
  const [start, end] = second === undefined ? [0, first] : [first, second]
  return start + (randomBytes(4).readUInt32LE() % (end - start))
}

export function randomUUID(): string {
  const hex = randomBytes(16).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`
}

/** Longer contents are hashed each time. */
const KEPT_SIZE_MAX = 8 << 10

/** A hash that looks its digest up by what it was given. */
class KeptHash {
  readonly #algorithm: string
  #text: string

  constructor(algorithm: string, text = '') {
    this.#algorithm = algorithm
    this.#text = text
  }

  update(data: Uint8Array | string): this {
    this.#text += textOf(typeof data === 'string' ? Buffer.from(data) : data)
    return this
  }

  copy(): KeptHash {
    return new KeptHash(this.#algorithm, this.#text)
  }

  digest(): Buffer
  digest(encoding: BinaryToTextEncoding): string
  digest(encoding?: BinaryToTextEncoding): Buffer | string {
    const hex = hexDigest(this.#algorithm, this.#text)
    if (encoding === 'hex') return hex
    const bytes = Buffer.from(hex, 'hex')
    return encoding === undefined ? bytes : bytes.toString(encoding)
  }
}

function hexDigest(algorithm: string, text: string): string {
  const make = (): string => realHash(algorithm).update(text, 'latin1').digest('hex')
  return text.length > KEPT_SIZE_MAX ? make() : memoized(algorithm, text, make)
}

function textOf(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.length).toString('latin1')
}

export function createHash(algorithm: string): Hash {
  return new KeptHash(algorithm) as unknown as Hash
}

/** Of `sha256` and short contents, for the checker. */
export function sha256Hex(data: Uint8Array): string {
  return hexDigest('sha256', textOf(data))
}

export function hash(
  algorithm: string,
  data: Uint8Array | string,
  encoding: BinaryToTextEncoding | 'buffer' = 'hex',
): Buffer | string {
  const made = new KeptHash(algorithm).update(data)
  return encoding === 'buffer' ? made.digest() : made.digest(encoding)
}

export const subtle = {
  digest: async (_name: string, data: Uint8Array) =>
    new Uint8Array(new KeptHash('sha256').update(data).digest()).buffer,
}
