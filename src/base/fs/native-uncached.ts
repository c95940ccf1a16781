/**
 * Bulk writes of which the page cache keeps nothing (`RWF_DONTCACHE`: Linux 6.14 and later, on file systems that know
 * it): they push nothing out that others use, and take memory that was used just before. A virtual machine gets fresh
 * memory from its host at a tenth of that speed.
 */
import { hasCode } from '../errors.ts'
import { keepAlive, nativeCallAsync, nativeFunction } from './native.ts'
import { addressOf } from './native-address.ts'

const PWRITEV2 =
  'int64_t pwritev2(int fd, const void *vector, int count, int64_t position, int flags)'
const RWF_DONTCACHE = 0x80
/** struct iovec: address u64, length u64. */
const IOVEC_SIZE = 16

/** False once it turned out that this process has no such call. */
let isKnown = process.platform === 'linux'

/** Count of bytes written, or null: not possible here, or an error that an ordinary write will tell. */
export async function writeUncached(
  fd: number,
  bytes: Uint8Array,
  position: number,
): Promise<number | null> {
  if (!isKnown) return null
  const vector = Buffer.alloc(IOVEC_SIZE)
  try {
    describe(bytes, vector)
    return await nativeCallAsync(PWRITEV2, [fd, vector, 1, position, RWF_DONTCACHE])
  } catch (error) {
    if (hasCode(error, 'NATIVE_UNSUPPORTED')) isKnown = false
    return null
  } finally {
    keepAlive(bytes, vector)
  }
}

const syncVector = Buffer.alloc(IOVEC_SIZE)

/** As `writeUncached`, but waits for it: for worker threads. */
export function writeUncachedSync(fd: number, bytes: Uint8Array, position: number): number | null {
  if (!isKnown) return null
  try {
    describe(bytes, syncVector)
    const count = Number(nativeFunction(PWRITEV2)(fd, syncVector, 1, position, RWF_DONTCACHE))
    return count > 0 ? count : null
  } catch (error) {
    if (hasCode(error, 'NATIVE_UNSUPPORTED')) isKnown = false
    return null
  } finally {
    keepAlive(bytes)
  }
}

function describe(bytes: Uint8Array, vector: Buffer): void {
  vector.writeBigUInt64LE(BigInt(addressOf(bytes)))
  vector.writeBigUInt64LE(BigInt(bytes.length), 8)
}
