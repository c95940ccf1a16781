/** SHA-256 by the OpenSSL inside Node, in libuv's pool. */
import { NativeDigest } from './native-digest.ts'

const sha256 = new NativeDigest('SHA256')

/** Whether this process can hash natively. */
export function hasNativeSha256(): boolean {
  return sha256.isAvailable
}

/** SHA-256 of `parts` together and `suffix`, 32 bytes; none may change meanwhile. Only where `hasNativeSha256`. */
export async function nativeSha256(
  parts: readonly Uint8Array[],
  suffix?: Uint8Array,
): Promise<Uint8Array> {
  return await sha256.of(parts, suffix)
}
