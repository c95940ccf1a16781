/** Damaged copies of good input: what a decoder meets after a bad disk, a cut connection or an attacker. */
import type { SeededRandom } from '../../bench/support/random.ts'

/** Lengths and offsets that break arithmetic: zero, the ends of signed and unsigned ranges, near misses. */
const NUMBERS = [
  [0x00],
  [0xff],
  [0x7f],
  [0x80],
  [0xff, 0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0x7f],
  [0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x00],
]
/** Parts of text that lead out of where they stand: paths, escapes, other alphabets, names of JavaScript. */
const TEXTS = [
  '../',
  '/',
  '.',
  '\0',
  '\r\n',
  '\n\t',
  '%00',
  '%2e%2e%2f',
  '%',
  '"',
  '\\',
  '[[[[',
  '{"',
  '-1',
  '00',
  '1e999',
  '18446744073709551616',
  '__proto__',
  'constructor',
  '\u{1f4a5}',
  '\u{feff}',
  'é',
  '\u{202e}',
].map((text) => Buffer.from(text))
const MUTATIONS_MAX = 4
/** What takes time by the square of its length shows at this one. */
const REPEATED_SIZE = 64 * 1024
/** Long inputs take the time of many short ones: one in so many is enough. */
const REPEAT_EVERY = 100

/** A copy of one of `samples` with one to four damages. */
export function mutate(samples: readonly Uint8Array[], random: SeededRandom): Uint8Array {
  let bytes: Buffer = Buffer.from(pick(samples, random))
  const count = 1 + random.below(MUTATIONS_MAX)
  for (let i = 0; i < count; i++) bytes = mutateOnce(bytes, samples, random)
  if (random.below(REPEAT_EVERY) === 0) bytes = repeatSome(bytes, random)
  return new Uint8Array(bytes)
}

/** One of `items`, which must not be empty. */
export function pick<Item>(items: readonly Item[], random: SeededRandom): Item {
  return items[random.below(items.length)] as Item
}

function mutateOnce(bytes: Buffer, samples: readonly Uint8Array[], random: SeededRandom): Buffer {
  const at = random.below(bytes.length + 1)
  switch (random.below(8)) {
    case 0:
      return bytes.subarray(0, at)
    case 1:
      if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << random.below(8))
      return bytes
    case 2:
      bytes.set(pick(NUMBERS, random).slice(0, bytes.length - at), at)
      return bytes
    case 3:
      return insert(bytes, at, random.bytes(random.below(64)))
    case 4:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.below(64))])
    case 5: {
      const other = pick(samples, random)
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random.below(other.length + 1))])
    }
    case 6:
      return insert(bytes, at, pick(TEXTS, random))
    default: {
      // Headers are at the start: damage there reaches further than damage in a payload.
      const near = random.below(Math.min(bytes.length, 96) + 1)
      if (near < bytes.length) bytes[near] = random.below(256)
      return bytes
    }
  }
}

function insert(bytes: Buffer, at: number, added: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at)])
}

/** A few bytes of it over and over. */
function repeatSome(bytes: Buffer, random: SeededRandom): Buffer {
  const at = random.below(bytes.length + 1)
  const some = bytes.subarray(at, at + 1 + random.below(8))
  return some.length === 0 ? bytes : insert(bytes, at, Buffer.alloc(REPEATED_SIZE, some))
}
