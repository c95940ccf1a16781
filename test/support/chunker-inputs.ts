/** The inputs of the chunker's test vectors (chunker.md 11.1). */

const SIZE = 33_554_432
const COUNTER_SIZE = 1_048_576

/** `size` bytes of xorshift32 with the state `seed`, words little-endian. */
export function xorshiftBytes(seed: number, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let x = seed
  for (let offset = 0; offset + 4 <= size; offset += 4) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    view.setUint32(offset, x >>> 0, true)
  }
  return bytes
}

/** Input `C`: a u32 counter from 0. */
export function counterBytes(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(COUNTER_SIZE)
  const view = new DataView(bytes.buffer)
  for (let index = 0; index < COUNTER_SIZE / 4; index++) view.setUint32(index * 4, index, true)
  return bytes
}

/** All inputs by their names. */
export function chunkerInputs(): Readonly<Record<string, Uint8Array>> {
  const R1 = xorshiftBytes(1, SIZE)
  const S1 = new Uint8Array(SIZE + 1)
  S1[0] = 0x78
  S1.set(R1, 1)
  return {
    R1,
    R2: xorshiftBytes(0x9e3779b9, SIZE),
    A16: R1.map((byte) => 0x61 + (byte & 15)),
    Z: new Uint8Array(SIZE),
    S1,
    C: counterBytes(),
  }
}
