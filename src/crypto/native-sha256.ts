/** SHA-256 by the OpenSSL inside Node, in libuv's pool. */
import { hash } from 'node:crypto'

import { nativeCall, nativeCallAsync } from '../base/fs/native.ts'
import { canCall, keepAlive } from './native-call.ts'

const INIT = 'int SHA256_Init(uint8_t *context)'
const UPDATE = 'int SHA256_Update(uint8_t *context, const uint8_t *data, size_t size)'
const FINAL = 'int SHA256_Final(uint8_t *digest, uint8_t *context)'
/** SHA256_CTX has 112 bytes in every OpenSSL since 1.0; more does not hurt. */
const CONTEXT_SIZE = 256
const DIGEST_SIZE = 32

let available: boolean | null = null

/** Whether this process can hash natively. */
export function hasNativeSha256(): boolean {
  available ??= canCall([INIT, UPDATE, FINAL], probe)
  return available
}

/** SHA-256 of `data` followed by `suffix`, 32 bytes; neither may change meanwhile. Only where `hasNativeSha256`. */
export async function nativeSha256(data: Uint8Array, suffix?: Uint8Array): Promise<Uint8Array> {
  const context = Buffer.alloc(CONTEXT_SIZE)
  check(nativeCall(INIT, [context]))
  check(await nativeCallAsync(UPDATE, [context, data, data.length]))
  keepAlive(context, data)
  if (suffix !== undefined) check(nativeCall(UPDATE, [context, suffix, suffix.length]))
  return finish(context)
}

function finish(context: Uint8Array): Uint8Array {
  const digest = Buffer.alloc(DIGEST_SIZE)
  check(nativeCall(FINAL, [digest, context]))
  return digest
}

function probe(): boolean {
  const context = Buffer.alloc(CONTEXT_SIZE)
  const data = Buffer.from('abc')
  check(nativeCall(INIT, [context]))
  check(nativeCall(UPDATE, [context, data, data.length]))
  return hash('sha256', data, 'buffer').equals(finish(context))
}

function check(result: number | null): void {
  if (result !== 1) throw new Error('OpenSSL cannot hash')
}
