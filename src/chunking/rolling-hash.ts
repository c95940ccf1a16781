/** The rolling hash over the last 64 bytes, in its plain form (chunker.md section 3). */
import { BUZHASH_TABLE } from './buzhash-table.ts'

/** Bytes the hash depends on. */
export const WINDOW_SIZE = 64

/**
 * Hash of the window that ends before `end`, as an unsigned 32-bit number: one step for each byte,
 * `h = rotl(h, 1) XOR T[byte]`. There must be 64 bytes before `end`.
 */
export function hashWindow(bytes: Uint8Array, end: number): number {
  let hash = 0
  for (let i = end - WINDOW_SIZE; i < end; i++) {
    hash = rotateLeft(hash) ^ (BUZHASH_TABLE[bytes[i] ?? 0] ?? 0)
  }
  return hash >>> 0
}

/** The hash after byte `entering` came in and `leaving`, 64 bytes before it, went out. */
export function rollHash(hash: number, leaving: number, entering: number): number {
  const change = (BUZHASH_TABLE[leaving] ?? 0) ^ (BUZHASH_TABLE[entering] ?? 0)
  return (rotateLeft(hash) ^ change) >>> 0
}

function rotateLeft(hash: number): number {
  return (hash << 1) | (hash >>> 31)
}
