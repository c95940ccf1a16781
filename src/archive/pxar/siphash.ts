/** SipHash-2-4 over 32-bit halves: BigInt arithmetic is some twenty times slower (pxar.md 6.1). */

/** The key of all pxar name hashes as low and high halves of its two words. */
const K0_LOW = 0xfbb450db
const K0_HIGH = 0x83ac3f1c
const K1_LOW = 0x79369fbd
const K1_HIGH = 0xaa4f1b68

/** 64-bit result: `out[0]` is the low half, `out[1]` the high half. */
export type HashHalves = Uint32Array

/** Hashes `bytes` with pxar's key into `out`. */
export function hashName(bytes: Uint8Array, out: HashHalves): void {
  let [v0l, v0h] = [K0_LOW ^ 0x70736575, K0_HIGH ^ 0x736f6d65]
  let [v1l, v1h] = [K1_LOW ^ 0x6e646f6d, K1_HIGH ^ 0x646f7261]
  let [v2l, v2h] = [K0_LOW ^ 0x6e657261, K0_HIGH ^ 0x6c796765]
  let [v3l, v3h] = [K1_LOW ^ 0x79746573, K1_HIGH ^ 0x74656462]
  const blockCount = bytes.length >>> 3
  // Blocks of eight bytes, then the rest with the length on top, then four rounds of mixing.
  for (let block = 0; block <= blockCount + 1; block++) {
    const isMixing = block > blockCount
    const start = block * 8
    let low = isMixing ? 0 : loadHalf(bytes, start)
    let high = isMixing ? 0 : loadHalf(bytes, start + 4)
    if (block === blockCount) high |= bytes.length << 24
    if (isMixing) v2l ^= 0xff
    v3l ^= low
    v3h ^= high
    for (let round = isMixing ? 4 : 2; round > 0; round--) {
      let sum = (v0l >>> 0) + (v1l >>> 0)
      v0h = (v0h + v1h + (sum > 0xffffffff ? 1 : 0)) | 0
      v0l = sum | 0
      let swap = v1h
      v1h = ((v1h << 13) | (v1l >>> 19)) ^ v0h
      v1l = ((v1l << 13) | (swap >>> 19)) ^ v0l
      swap = v0h
      v0h = v0l
      v0l = swap
      sum = (v2l >>> 0) + (v3l >>> 0)
      v2h = (v2h + v3h + (sum > 0xffffffff ? 1 : 0)) | 0
      v2l = sum | 0
      swap = v3h
      v3h = ((v3h << 16) | (v3l >>> 16)) ^ v2h
      v3l = ((v3l << 16) | (swap >>> 16)) ^ v2l
      sum = (v0l >>> 0) + (v3l >>> 0)
      v0h = (v0h + v3h + (sum > 0xffffffff ? 1 : 0)) | 0
      v0l = sum | 0
      swap = v3h
      v3h = ((v3h << 21) | (v3l >>> 11)) ^ v0h
      v3l = ((v3l << 21) | (swap >>> 11)) ^ v0l
      sum = (v2l >>> 0) + (v1l >>> 0)
      v2h = (v2h + v1h + (sum > 0xffffffff ? 1 : 0)) | 0
      v2l = sum | 0
      swap = v1h
      v1h = ((v1h << 17) | (v1l >>> 15)) ^ v2h
      v1l = ((v1l << 17) | (swap >>> 15)) ^ v2l
      swap = v2h
      v2h = v2l
      v2l = swap
    }
    v0l ^= low
    v0h ^= high
  }
  out[0] = v0l ^ v1l ^ v2l ^ v3l
  out[1] = v0h ^ v1h ^ v2h ^ v3h
}

/** Up to four bytes at `start`, little-endian; bytes past the end are zero. */
function loadHalf(bytes: Uint8Array, start: number): number {
  return (
    (bytes[start] ?? 0) |
    ((bytes[start + 1] ?? 0) << 8) |
    ((bytes[start + 2] ?? 0) << 16) |
    ((bytes[start + 3] ?? 0) << 24)
  )
}
