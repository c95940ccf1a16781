/** `node:crypto` for the code under test: random bytes count up, digests are computed at once. */
import { createHash } from 'node:crypto'
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

export const subtle = {
  digest: async (_name: string, data: Uint8Array) =>
    new Uint8Array(createHash('sha256').update(data).digest()).buffer,
}
