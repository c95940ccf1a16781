/**
 * Calls into the OpenSSL, zlib and zstd inside Node: in libuv's pool and in place.
 *
 * Node's own asynchronous versions copy a chunk on the main thread, or take it piece by piece through the event loop:
 * 1 to 3 ms of the main thread for 4 MiB, where these calls take 0.05 ms. Whoever uses this has a way without it, for
 * other platforms and for a Node that exports nothing.
 */
import { hasCode } from '../base/errors.ts'
import { nativeFunction } from '../base/fs/native.ts'

/**
 * Whether all of these C prototypes can be called and `probe` answers true (the function is the one we mean).
 * Ask once and keep the answer.
 */
export function canCall(prototypes: readonly string[], probe: () => boolean): boolean {
  try {
    for (const prototype of prototypes) nativeFunction(prototype)
    return probe()
  } catch (error) {
    if (hasCode(error, 'NATIVE_UNSUPPORTED')) return false
    throw error
  }
}
