/** Random bytes and numbers by seed: the same seed gives the same data on every machine. */
import { createCipheriv, createHash, type Cipheriv } from 'node:crypto'

/** A stream of bytes that no compressor shortens: AES-CTR over zeros under a key made of the seed. */
export class SeededRandom {
  readonly #cipher: Cipheriv

  constructor(seed: string) {
    const key = createHash('sha256').update(seed).digest()
    this.#cipher = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16))
  }

  /** The next `size` bytes. */
  bytes(size: number): Buffer {
    return this.#cipher.update(Buffer.alloc(size))
  }

  /** A number from 0 inclusive to `end` exclusive. */
  below(end: number): number {
    return this.bytes(6).readUIntLE(0, 6) % end
  }
}

const WORD_COUNT = 4096

/** Text with the statistics of prose: words of a fixed vocabulary, the short ones more often. */
export class SeededText {
  readonly #random: SeededRandom
  readonly #words: Buffer[]

  constructor(seed: string) {
    this.#random = new SeededRandom(`${seed} text`)
    this.#words = Array.from({ length: WORD_COUNT }, (_, rank) => this.#makeWord(rank))
  }

  /** The next `size` bytes. */
  bytes(size: number): Buffer {
    const text = Buffer.allocUnsafe(size)
    let offset = 0
    while (offset < size) {
      const choices = this.#random.bytes(8192)
      for (let at = 0; at < choices.length && offset < size; at += 4) {
        // The product of two uniform numbers prefers low ranks, as words do.
        const product = choices.readUInt16LE(at) * choices.readUInt16LE(at + 2)
        const word = this.#words[Math.floor((product / 2 ** 32) * WORD_COUNT)] as Buffer
        offset += word.copy(text, offset)
      }
    }
    return text
  }

  #makeWord(rank: number): Buffer {
    const length = 2 + Math.floor(Math.log2(rank + 1) / 2) + this.#random.below(4)
    const letters = Array.from(this.#random.bytes(length), (byte) => 97 + (byte % 26))
    return Buffer.from([...letters, rank % 12 === 0 ? 10 : 32])
  }
}
