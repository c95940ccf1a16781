/**
 * crypt(3) of the system's libcrypt: stock's password files hold yescrypt (`$y$`) and SHA-256
 * (`$5$`) hashes. One hash takes about 22 ms, so it runs in a thread of libuv's pool.
 */
import { errors } from './errors.ts'
import { asyncSlots, cString, nativeFunction } from './native.ts'

const LIBRARY_NAMES = ['libcrypt.so.1', 'libcrypt.so.2']
const CRYPT = 'const char *crypt_r(const void *password, const void *setting, void *data)'
const GENSALT =
  'const char *crypt_gensalt_rn(const void *prefix, unsigned long count, const void *random, ' +
  'int random_size, void *output, int output_size)'

/** struct crypt_data takes 128 KiB in glibc and 32 KiB in libxcrypt. */
const CRYPT_DATA_SIZE = 160 * 1024
/** CRYPT_GENSALT_OUTPUT_SIZE of libxcrypt. */
const SETTING_SIZE_MAX = 192

/**
 * Hash of `password` with the method, cost and salt that `setting` (or a whole hash) begins with.
 * Null if libcrypt does not know the method or the setting is malformed.
 */
export async function cryptPassword(password: string, setting: string): Promise<string | null> {
  if (password.includes('\0') || setting.includes('\0')) return null
  const crypt = cryptFunction(CRYPT)
  const data = Buffer.alloc(CRYPT_DATA_SIZE)
  using _slot = await asyncSlots.acquire()
  const { promise, resolve, reject } = Promise.withResolvers<string | null>()
  const values = [cString(password), cString(setting), data]
  crypt.async(...values, (error: unknown, answer: unknown) => {
    // `*0` and `*1` are libxcrypt's failure tokens, never a hash.
    if (error !== null && error !== undefined) reject(error)
    else resolve(typeof answer === 'string' && !answer.startsWith('*') ? answer : null)
    for (const buffer of values) buffer.fill(0)
  })
  return await promise
}

/**
 * A fresh setting for cryptPassword: method `prefix` (`$y$`, `$5$`, `$6$`), `cost` of the method
 * (0 = its default), salt made of `random` bytes. Null if libcrypt cannot make one.
 */
export function makeCryptSetting(prefix: string, cost: number, random: Uint8Array): string | null {
  const output = Buffer.alloc(SETTING_SIZE_MAX)
  const values = [cString(prefix), cost, random, random.length, output, output.length]
  const answer = cryptFunction(GENSALT)(...values)
  return typeof answer === 'string' && !answer.startsWith('*') ? answer : null
}

function cryptFunction(prototype: string): ReturnType<typeof nativeFunction> {
  let cause: unknown
  for (const name of LIBRARY_NAMES) {
    try {
      return nativeFunction(prototype, name)
    } catch (error) {
      cause = error
    }
  }
  throw errors.NATIVE_UNSUPPORTED({ call: 'crypt', reason: 'libcrypt is missing' }, { cause })
}
