/** Where a buffer lies in memory: direct reads and writes take whole pages only, and copies of the kernel like them. */
import { hasCode } from '../errors.ts'
import { loadKoffi } from './native.ts'

/** What direct reads and writes want of memory, offset and length, whatever the disk. */
export const DIRECT_ALIGNMENT = 4096

interface Addresses {
  address(value: Uint8Array): bigint
}

/** Where `bytes` begin. Only memory of more than 64 bytes stays where it is; throws NATIVE_UNSUPPORTED. */
export function addressOf(bytes: Uint8Array): number {
  return Number((loadKoffi('address') as unknown as Addresses).address(bytes))
}

let isKnown = true

/** Bytes from `bytes`' first byte up to the next whole page; null where addresses cannot be asked for. */
export function bytesToAlignment(bytes: Uint8Array): number | null {
  if (!isKnown) return null
  try {
    const koffi = loadKoffi('address') as unknown as Addresses
    const address = koffi.address(bytes)
    const behind = Number(address % BigInt(DIRECT_ALIGNMENT))
    return behind === 0 ? 0 : DIRECT_ALIGNMENT - behind
  } catch (error) {
    if (!hasCode(error, 'NATIVE_UNSUPPORTED')) throw error
    isKnown = false
    return null
  }
}

/**
 * New memory that begins with a page, where addresses can be asked for; not zeroed. A file that lies in the page cache
 * is read into it at five times the speed: what `new Uint8Array` gives for large sizes begins 16 bytes behind a page,
 * and a copy from the start of a page to there makes the processor wait for its own stores.
 */
export function alignedBytes(size: number): Uint8Array<ArrayBuffer> {
  const memory = Buffer.allocUnsafeSlow(size + DIRECT_ALIGNMENT)
  const start = bytesToAlignment(memory) ?? 0
  return memory.subarray(start, start + size)
}
