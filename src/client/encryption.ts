/** Which key and mode a command works with (spec cli 2.8). */
import { readFileSync } from 'node:fs'
import { CryptConfig } from '../crypto/crypt-config.ts'
import { parseKeyConfig, type UnlockedKey, unlockKey } from '../crypto/key-config.ts'
import type { CryptMode } from '../formats/crypt-mode.ts'
import { errors } from './errors.ts'
import { type ClientHost, systemText } from './host.ts'
import { readSecret } from './secrets.ts'
import { findConfigFile, KEY_FILE, MASTER_KEY_FILE } from './user-files.ts'

export interface EncryptionOptions {
  readonly keyfile: string | undefined
  readonly keyfd: number | undefined
  readonly 'crypt-mode': CryptMode | undefined
  readonly 'master-pubkey-file'?: string | undefined
  readonly 'master-pubkey-fd'?: number | undefined
}

/** Bytes and where they came from, for the log. */
export interface KeySource {
  readonly from: string
  readonly bytes: Uint8Array
}

export interface Encryption {
  readonly mode: CryptMode
  readonly key: KeySource | null
  readonly masterKey: KeySource | null
}

/** An unlocked key, and what it can do. */
export interface OpenKey {
  readonly unlocked: UnlockedKey
  readonly crypt: CryptConfig
}

const KEY_SIZE_MAX = 64 * 1024

/**
 * Reads the key files that the options or the defaults name; nothing is unlocked yet.
 * @throws KEY_PAIR_GIVEN, MASTER_KEY_WITHOUT_KEY, CRYPT_MODE_WITHOUT_KEY, FILE_UNREADABLE
 */
export async function chooseEncryption(
  host: ClientHost,
  options: EncryptionOptions,
): Promise<Encryption> {
  const mode = options['crypt-mode']
  const given = await readGiven(host, options.keyfile, options.keyfd, {
    file: '--keyfile',
    descriptor: '--keyfd',
    kind: 'encryption',
  })
  const givenMaster = await readGiven(
    host,
    options['master-pubkey-file'],
    options['master-pubkey-fd'],
    { file: '--master-pubkey-file', descriptor: '--master-pubkey-fd', kind: 'master' },
  )
  if (mode === 'none') {
    refuseWithNone(given, '--keyfile/--keyfd')
    refuseWithNone(givenMaster, '--master-pubkey-file/--master-pubkey-fd')
    return { mode, key: null, masterKey: null }
  }
  const key = given ?? (await readDefault(host, KEY_FILE, 'encryption'))
  if (key === null) {
    if (mode !== undefined) throw errors.CRYPT_MODE_WITHOUT_KEY({})
    if (givenMaster !== null) throw errors.MASTER_KEY_WITHOUT_KEY({})
    return { mode: 'none', key: null, masterKey: null }
  }
  if (given === null && mode !== undefined) {
    host.log('Encrypting with default encryption key!')
  }
  const masterKey = givenMaster ?? (await readDefault(host, MASTER_KEY_FILE, 'master'))
  return { mode: mode ?? 'encrypt', key, masterKey }
}

/** The default key file, if there is one. */
export async function readDefaultKey(host: ClientHost): Promise<KeySource | null> {
  return await readDefault(host, KEY_FILE, 'encryption')
}

/** Unlocks `source`, asking for the passphrase if it has one. @throws NO_PASSWORD_INPUT, key errors */
export async function openKey(host: ClientHost, source: KeySource): Promise<OpenKey> {
  const config = parseKeyConfig(source.bytes)
  const unlocked = await unlockKey(config, () => keyPassphrase(host))
  return { unlocked, crypt: CryptConfig.create(unlocked.key) }
}

/** The passphrase of a key file from environment or prompt. */
export async function keyPassphrase(host: ClientHost): Promise<Uint8Array> {
  const secret = await readSecret(host, 'PBS_ENCRYPTION_PASSWORD')
  if (secret !== null) return Buffer.from(secret)
  if (!host.prompt.isInteractive) throw errors.NO_PASSWORD_INPUT({})
  return Buffer.from(await host.prompt.askSecret('Encryption Key Password: '))
}

/** Bytes of a small file. @throws FILE_UNREADABLE */
export async function readSmallFile(host: ClientHost, path: string): Promise<Uint8Array> {
  try {
    return await host.fs.readFile(path, KEY_SIZE_MAX)
  } catch (cause) {
    throw errors.FILE_UNREADABLE({ path, reason: systemText(cause) })
  }
}

/** A blob's content is bounded by the protocol. */
const BLOB_SOURCE_SIZE_MAX = 16 * 1024 * 1024

/** Bytes of a source that is sent as one blob. @throws SOURCE_UNREADABLE */
export async function readSmallSource(host: ClientHost, path: string): Promise<Uint8Array> {
  try {
    return await host.fs.readFile(path, BLOB_SOURCE_SIZE_MAX)
  } catch (cause) {
    throw errors.SOURCE_UNREADABLE({ path, reason: systemText(cause) })
  }
}

interface OptionNames {
  readonly file: string
  readonly descriptor: string
  readonly kind: 'encryption' | 'master'
}

async function readGiven(
  host: ClientHost,
  path: string | undefined,
  descriptor: number | undefined,
  names: OptionNames,
): Promise<KeySource | null> {
  if (path !== undefined && descriptor !== undefined) {
    throw errors.KEY_PAIR_GIVEN({ option: names.file, other: names.descriptor })
  }
  if (path !== undefined) {
    const from = `Using ${names.kind} key from '${path}'..`
    return { from, bytes: await readSmallFile(host, path) }
  }
  if (descriptor === undefined) return null
  const from = `Using ${names.kind} key from file descriptor..`
  return { from, bytes: readDescriptor(descriptor) }
}

async function readDefault(
  host: ClientHost,
  name: string,
  kind: 'encryption' | 'master',
): Promise<KeySource | null> {
  const path = await findConfigFile(host, name)
  if (path === null) return null
  return { from: `Using default ${kind} key..`, bytes: await readSmallFile(host, path) }
}

function readDescriptor(descriptor: number): Uint8Array {
  try {
    return readFileSync(descriptor)
  } catch (cause) {
    throw errors.FILE_UNREADABLE({ path: `fd ${descriptor}`, reason: systemText(cause) })
  }
}

function refuseWithNone(source: KeySource | null, option: string): void {
  if (source !== null) throw errors.KEY_PAIR_GIVEN({ option, other: '--crypt-mode=none' })
}
