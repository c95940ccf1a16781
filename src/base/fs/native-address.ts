/** Where a buffer lies in memory: direct writes take whole pages only. */
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
