/** Digests by the OpenSSL inside Node, in libuv's pool. */
import { hash } from 'node:crypto'
import { keepAlive, nativeCall, nativeCallAsync } from '../base/fs/native.ts'
import { canCall } from './native-call.ts'

/** MD5_CTX has 92, SHA256_CTX 112 bytes in every OpenSSL since 1.0; more does not hurt. */
const CONTEXT_SIZE = 256
/** A part of up to this size is hashed where we are: handing it to another thread costs as much. */
const INLINE_SIZE_MAX = 32 * 1024
const NAMES = { MD5: 'md5', SHA256: 'sha256' } as const
const SIZES = { MD5: 16, SHA256: 32 } as const

export class NativeDigest {
  readonly #kind: keyof typeof NAMES
  readonly #init: string
  readonly #update: string
  readonly #final: string
  #isAvailable: boolean | null = null

  /** `kind` as OpenSSL writes it in the names of its functions. */
  constructor(kind: keyof typeof NAMES) {
    this.#kind = kind
    this.#init = `int ${kind}_Init(uint8_t *context)`
    this.#update = `int ${kind}_Update(uint8_t *context, const uint8_t *data, size_t size)`
    this.#final = `int ${kind}_Final(uint8_t *digest, uint8_t *context)`
  }

  /** Whether this process has it. */
  get isAvailable(): boolean {
    const calls = [this.#init, this.#update, this.#final]
    this.#isAvailable ??= canCall(calls, () => this.#isRight())
    return this.#isAvailable
  }

  /** Digest of `parts` together and `suffix`; none may change meanwhile. Only where `isAvailable`. */
  async of(parts: readonly Uint8Array[], suffix?: Uint8Array): Promise<Uint8Array> {
    const context = Buffer.alloc(CONTEXT_SIZE)
    check(nativeCall(this.#init, [context]))
    for (const part of parts) {
      const values = [context, part, part.length]
      if (part.length <= INLINE_SIZE_MAX) check(nativeCall(this.#update, values))
      else check(await nativeCallAsync(this.#update, values))
      keepAlive(context, part)
    }
    if (suffix !== undefined) check(nativeCall(this.#update, [context, suffix, suffix.length]))
    return this.#finish(context)
  }

  #finish(context: Uint8Array): Uint8Array {
    const digest = Buffer.alloc(SIZES[this.#kind])
    check(nativeCall(this.#final, [digest, context]))
    return digest
  }

  /** Whether the functions of these names are the ones that we mean. */
  #isRight(): boolean {
    const context = Buffer.alloc(CONTEXT_SIZE)
    const data = Buffer.from('abc')
    check(nativeCall(this.#init, [context]))
    check(nativeCall(this.#update, [context, data, data.length]))
    return hash(NAMES[this.#kind], data, 'buffer').equals(this.#finish(context))
  }
}

function check(result: number | null): void {
  if (result !== 1) throw new Error('OpenSSL cannot hash')
}
