/** What authentication needs: configuration, time, the keys of tickets and CSRF tokens, and where to log. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import type { Clock } from '../../base/time/clock.ts'
import type { ConfigFile, ConfigFiles } from '../../config/config-files.ts'
import { type AuthLog, silentAuthLog } from './auth-log.ts'

export interface AuthContext {
  readonly files: ConfigFiles
  readonly clock: Clock
  readonly log: AuthLog
}

const CSRF_KEY_SIZE = 64

/** `authkey.key`: Ed25519, or RSA from older installations. */
const PRIVATE_KEY_FILE: ConfigFile<KeyObject | null> = keyFile({
  name: 'authkey.key',
  mode: 0o600,
  read: createPrivateKey,
  type: 'pkcs8',
})
const PUBLIC_KEY_FILE: ConfigFile<KeyObject | null> = keyFile({
  name: 'authkey.pub',
  mode: 0o640,
  read: createPublicKey,
  type: 'spki',
})
const CSRF_KEY_FILE: ConfigFile<Uint8Array | null> = Object.freeze({
  name: 'csrf.key',
  lockName: '.authkey.lck',
  mode: 0o640,
  parse: (bytes: Uint8Array) =>
    bytes.length === 0 ? null : Buffer.from(Buffer.from(bytes).toString('ascii'), 'base64'),
  format: (key: Uint8Array | null) =>
    Buffer.from(
      Buffer.from(key ?? [])
        .toString('base64')
        .replaceAll('=', ''),
    ),
})

/** Makes the keys that are missing. Errors: CONFIG_UNREADABLE for a damaged key. */
export async function openAuth(options: {
  readonly files: ConfigFiles
  readonly clock: Clock
  readonly log?: AuthLog
}): Promise<AuthContext> {
  const { files, clock, log = silentAuthLog } = options
  await makeMissing(files, PRIVATE_KEY_FILE, () => generateKeyPairSync('ed25519').privateKey)
  const { value: privateKey } = await files.read(PRIVATE_KEY_FILE)
  await makeMissing(files, PUBLIC_KEY_FILE, () =>
    privateKey === null ? null : createPublicKey(privateKey),
  )
  await makeMissing(files, CSRF_KEY_FILE, () => randomBytes(CSRF_KEY_SIZE))
  return Object.freeze({ files, clock, log })
}

/** Writes `file` if it is missing; a folder that cannot be written is fine as long as all is there. */
async function makeMissing<Key>(
  files: ConfigFiles,
  file: ConfigFile<Key | null>,
  make: () => Key | null,
): Promise<void> {
  if ((await files.read(file)).value !== null) return
  await files.update(file, (key) => key ?? make())
}

/** The key that signs tickets. */
export async function ticketSigningKey({ files }: AuthContext): Promise<KeyObject> {
  return present(PRIVATE_KEY_FILE.name, (await files.read(PRIVATE_KEY_FILE)).value)
}

/** The key that tickets are verified with. */
export async function ticketPublicKey({ files }: AuthContext): Promise<KeyObject> {
  return present(PUBLIC_KEY_FILE.name, (await files.read(PUBLIC_KEY_FILE)).value)
}

/** The key of CSRF tokens. */
export async function csrfKey({ files }: AuthContext): Promise<Uint8Array> {
  return present(CSRF_KEY_FILE.name, (await files.read(CSRF_KEY_FILE)).value)
}

function keyFile(options: {
  readonly name: string
  readonly mode: number
  readonly read: (pem: Buffer) => KeyObject
  readonly type: 'pkcs8' | 'spki'
}): ConfigFile<KeyObject | null> {
  return Object.freeze({
    name: options.name,
    lockName: '.authkey.lck',
    mode: options.mode,
    parse: (bytes: Uint8Array) => (bytes.length === 0 ? null : options.read(Buffer.from(bytes))),
    format: (key: KeyObject | null) =>
      Buffer.from(key === null ? '' : exportPem(key, options.type)),
  })
}

function exportPem(key: KeyObject, type: 'pkcs8' | 'spki'): string {
  return type === 'spki' ? key.export({ type, format: 'pem' }) : key.export({ type, format: 'pem' })
}

function present<Key>(name: string, key: Key | null): Key {
  if (key === null) throw new Error(`'${name}' was removed while the server runs`)
  return key
}
