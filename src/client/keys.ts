/** Key files on this machine: create, show, change the passphrase (spec cli 4.18). */
import { dirname } from 'node:path'
import { atomicWrite } from '../base/fs/atomic-write.ts'
import { formatFingerprint } from '../crypto/fingerprint.ts'
import {
  type KdfName,
  type KeyConfig,
  changePassphrase,
  createKeyConfig,
  formatKeyConfig,
  parseKeyConfig,
} from '../crypto/key-config.ts'
import { keyPassphrase, readSmallFile } from './encryption.ts'
import { errors } from './errors.ts'
import { type ClientHost, systemText } from './host.ts'
import { configPath, findConfigFile, KEY_FILE } from './user-files.ts'

export interface KeyOptions {
  /** Null for the default place. */
  readonly path: string | null
  readonly kdf: KdfName
  readonly hint: string | undefined
}

export interface KeyInformation {
  readonly path: string
  readonly kdf: KdfName
  /** Unix seconds. */
  readonly created: number
  readonly modified: number
  readonly fingerprint: string | undefined
  readonly hint: string | undefined
}

const PASSPHRASE_LENGTH_MIN = 5
const KEY_FILE_MODE = 0o600

/** Makes a new key file; an existing one is never replaced. */
export async function createKey(host: ClientHost, options: KeyOptions): Promise<void> {
  const { kdf, hint } = options
  const path = options.path ?? defaultPath(host)
  if (options.path === null) host.log(`creating default key at: ${JSON.stringify(path)}`)
  if (kdf === 'none' && hint !== undefined) throw errors.KEY_HINT_NOT_ALLOWED({})
  const { config } = await createKeyConfig({
    ...(await protection(host, kdf, { question: 'Encryption Key Password: ' })),
    ...(hint === undefined ? {} : { hint }),
    clock: host.clock,
  })
  await writeNewKey(host, path, config)
}

/** What a key file says of itself; the key stays locked. */
export async function showKey(host: ClientHost, path: string | null): Promise<KeyInformation> {
  const found = await existingPath(host, path)
  const config = parseKeyConfig(await readSmallFile(host, found))
  return {
    path: found,
    kdf: config.kdf?.kind ?? 'none',
    created: config.created,
    modified: config.modified,
    fingerprint: config.fingerprint === null ? undefined : formatFingerprint(config.fingerprint),
    hint: config.hint ?? undefined,
  }
}

/** Protects the key of a file in another way; `created` stays. */
export async function changeKeyPassphrase(host: ClientHost, options: KeyOptions): Promise<void> {
  const { kdf, hint } = options
  const path = await existingPath(host, options.path)
  const config = parseKeyConfig(await readSmallFile(host, path))
  if (!host.prompt.isInteractive) throw errors.PASSPHRASE_CHANGE_NO_TERMINAL({})
  if (kdf === 'none' && hint !== undefined) throw errors.KEY_HINT_NOT_ALLOWED({})
  const changed = await changePassphrase(config, () => keyPassphrase(host), {
    ...(await protection(host, kdf, { question: 'New Password: ' })),
    ...(hint === undefined ? {} : { hint }),
    clock: host.clock,
  })
  const bytes = formatKeyConfig(changed)
  await atomicWrite(host.fs, path, bytes, { mode: KEY_FILE_MODE, durable: true })
}

async function protection(
  host: ClientHost,
  kdf: KdfName,
  { question }: { readonly question: string },
): Promise<{ readonly kdf: KdfName; readonly passphrase?: Uint8Array }> {
  if (kdf === 'none') return { kdf }
  if (!host.prompt.isInteractive) throw errors.PASSPHRASE_NO_TERMINAL({})
  const passphrase = await host.prompt.askSecret(question)
  const again = await host.prompt.askSecret('Verify Password: ')
  if (passphrase !== again) throw errors.PASSPHRASE_MISMATCH({})
  if (passphrase.length < PASSPHRASE_LENGTH_MIN) throw errors.PASSPHRASE_TOO_SHORT({})
  return { kdf, passphrase: Buffer.from(passphrase) }
}

async function writeNewKey(host: ClientHost, path: string, config: KeyConfig): Promise<void> {
  try {
    await host.fs.mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await using handle = await host.fs.open(path, 'create-new', KEY_FILE_MODE)
    await handle.write(formatKeyConfig(config), 0)
    await handle.sync()
  } catch (cause) {
    throw errors.KEY_FILE_NOT_STORED({ path, reason: systemText(cause) })
  }
}

function defaultPath(host: ClientHost): string {
  const path = configPath(host.environment, KEY_FILE)
  if (path === null) throw errors.KEY_FILE_MISSING({})
  return path
}

async function existingPath(host: ClientHost, path: string | null): Promise<string> {
  const found = path ?? (await findConfigFile(host, KEY_FILE))
  if (found === null) throw errors.KEY_FILE_MISSING({})
  return found
}
