/** The digest in the name of a chunk file, as text or as the kernel's bytes. */
import { DIGEST_SIZE } from '../../formats/digest.ts'

const NOT_HEX = -1
/** By character or byte. */
const HEX_VALUES = new Int8Array(256).fill(NOT_HEX)
for (let value = 0; value < 16; value += 1) {
  const digit = value.toString(16)
  HEX_VALUES[digit.charCodeAt(0)] = value
  HEX_VALUES[digit.toUpperCase().charCodeAt(0)] = value
}

/** False if the name does not begin with 64 hex digits. */
export function readDigest(name: string, digest: Uint8Array): boolean {
  for (let index = 0; index < DIGEST_SIZE; index += 1) {
    const high = HEX_VALUES[name.charCodeAt(2 * index)] ?? NOT_HEX
    const low = HEX_VALUES[name.charCodeAt(2 * index + 1)] ?? NOT_HEX
    if (high < 0 || low < 0) return false
    digest[index] = (high << 4) | low
  }
  return true
}

/** The same for a name that begins at `start` of `bytes`. */
export function readRawDigest(bytes: Uint8Array, start: number, digest: Uint8Array): boolean {
  for (let index = 0; index < DIGEST_SIZE; index += 1) {
    const at = start + 2 * index
    const value =
      ((HEX_VALUES[bytes[at] ?? 0] ?? NOT_HEX) << 4) | (HEX_VALUES[bytes[at + 1] ?? 0] ?? NOT_HEX)
    if (value < 0) return false
    digest[index] = value
  }
  return true
}
