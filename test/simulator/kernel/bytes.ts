/** Memory for the contents of simulated files: many are made, each with a few hundred bytes. */

/** Pieces of one buffer: a buffer of its own costs more than a whole step. */
const SLAB_SIZE = 64 << 10
const PIECE_MAX = 4 << 10
const ALIGNMENT = 8

let slab = new ArrayBuffer(SLAB_SIZE)
let used = 0

/** Zeros that nobody had before. */
export function newBytes(size: number): Uint8Array {
  if (size > PIECE_MAX) return new Uint8Array(size)
  if (used + size > SLAB_SIZE) {
    slab = new ArrayBuffer(SLAB_SIZE)
    used = 0
  }
  const bytes = new Uint8Array(slab, used, size)
  used += Math.ceil(size / ALIGNMENT) * ALIGNMENT
  return bytes
}
