/** Damaged copies of good input: what a decoder meets after a bad disk, a cut connection or an attacker. */
import type { SeededRandom } from '../../bench/support/random.ts'

/** Lengths and offsets that break arithmetic: zero, the ends of signed and unsigned ranges, near misses. */
const INTERESTING = [
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
const MUTATIONS_MAX = 4

/** A copy of one of `samples` with one to four damages. */
export function mutate(samples: readonly Uint8Array[], random: SeededRandom): Uint8Array {
  let bytes: Buffer = Buffer.from(pick(samples, random))
  const count = 1 + random.below(MUTATIONS_MAX)
  for (let i = 0; i < count; i++) bytes = mutateOnce(bytes, samples, random)
  return new Uint8Array(bytes)
}

function mutateOnce(bytes: Buffer, samples: readonly Uint8Array[], random: SeededRandom): Buffer {
  const at = random.below(bytes.length + 1)
  switch (random.below(7)) {
    case 0:
      return bytes.subarray(0, at)
    case 1:
      if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << random.below(8))
      return bytes
    case 2:
      bytes.set(pick(INTERESTING, random).slice(0, bytes.length - at), at)
      return bytes
    case 3:
      return Buffer.concat([
        bytes.subarray(0, at),
        random.bytes(random.below(64)),
        bytes.subarray(at),
      ])
    case 4:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.below(64))])
    case 5: {
      const other = pick(samples, random)
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random.below(other.length + 1))])
    }
    default: {
      // Headers are at the start: damage there reaches further than damage in a payload.
      const near = random.below(Math.min(bytes.length, 96) + 1)
      if (near < bytes.length) bytes[near] = random.below(256)
      return bytes
    }
  }
}

function pick<Item>(items: readonly Item[], random: SeededRandom): Item {
  return items[random.below(items.length)] as Item
}
