/** The certificate of the first start (rest-api.md 6.1), kept across starts. */
import 'reflect-metadata'
import {
  X509Certificate,
  createPrivateKey,
  generateKeyPair,
  randomUUID,
  webcrypto,
} from 'node:crypto'
import { promisify } from 'node:util'
import * as x509 from '@peculiar/x509'
import { isSystemError, toError } from '../base/errors.ts'
import { atomicWrite } from '../base/fs/atomic-write.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import type { Clock } from '../base/time/clock.ts'
import { errors } from './errors.ts'
import type { CertificatePair } from './tls.ts'

/** As stock; a guess at the year 3026 costs nothing, an expired certificate costs a night. */
const VALIDITY_DAYS = 365_000
const DAY_MS = 86_400_000
const KEY_BITS = 4096
const FILE_MODE = 0o640
/** A PEM chain is a few kilobytes; more is not a certificate. */
const PEM_SIZE_MAX = 1024 * 1024
const ALGORITHM = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
const EXTENDED_KEY_USAGE_SERVER_AUTH = '1.3.6.1.5.5.7.3.1'

export interface SelfSignedOptions {
  readonly hostname: string
  /** Fully qualified; the common name. */
  readonly fqdn: string
  readonly clock: Clock
  /** 4096 unless a test is in a hurry. */
  readonly keyBits?: number
}

export interface CertificateFiles {
  readonly certificatePath: string
  readonly keyPath: string
  /** Owner of files that are created; the process's own if absent. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
}

/**
 * Makes key and certificate; seconds of work, in libuv's pool. The fields are those of the page but
 * for the serial number: stock's zero is not allowed by RFC 5280, ours is random.
 */
export async function createSelfSigned(options: SelfSignedOptions): Promise<CertificatePair> {
  const keyPem = await generateKeyPem(options.keyBits ?? KEY_BITS)
  const keys = await importKeys(keyPem)
  const notBefore = new Date(options.clock.now())
  const name = `O=Proxmox Backup Server, OU=${randomUUID().toUpperCase()}, CN=${options.fqdn}`
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    notBefore,
    notAfter: new Date(notBefore.getTime() + VALIDITY_DAYS * DAY_MS),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
      new x509.ExtendedKeyUsageExtension([EXTENDED_KEY_USAGE_SERVER_AUTH]),
      new x509.SubjectAlternativeNameExtension(alternativeNames(options)),
    ],
  })
  return { certificatePem: `${certificate.toString('pem')}\n`, keyPem }
}

/**
 * The pair below the two paths; made and written (mode 0640) when both are missing.
 * Throws CERTIFICATE_UNREADABLE when only one is there or the two do not fit.
 */
export async function loadOrCreateCertificate(
  fs: FileSystem,
  options: SelfSignedOptions & CertificateFiles,
): Promise<CertificatePair & { readonly created: boolean }> {
  const certificatePem = await readText(fs, options.certificatePath)
  const keyPem = await readText(fs, options.keyPath)
  if (certificatePem !== null && keyPem !== null) {
    checkPair({ certificatePem, keyPem }, options.certificatePath)
    return { certificatePem, keyPem, created: false }
  }
  // A certificate that somebody ordered is worth more than our start: never overwrite one half.
  // A key without its certificate is what a crash between our two writes leaves: begin again.
  if (certificatePem !== null) {
    const reason = `its key '${options.keyPath}' is missing`
    throw errors.CERTIFICATE_UNREADABLE({ path: options.certificatePath, reason })
  }
  const pair = await createSelfSigned(options)
  const settings = { mode: FILE_MODE, owner: options.owner, durable: true }
  // The key first: the certificate must never be visible without it.
  await atomicWrite(fs, options.keyPath, Buffer.from(pair.keyPem), settings)
  await atomicWrite(fs, options.certificatePath, Buffer.from(pair.certificatePem), settings)
  return { ...pair, created: true }
}

async function generateKeyPem(modulusLength: number): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  return privateKey
}

async function importKeys(keyPem: string): Promise<webcrypto.CryptoKeyPair> {
  const { subtle } = webcrypto
  const key = createPrivateKey(keyPem)
  const pkcs8 = new Uint8Array(key.export({ type: 'pkcs8', format: 'der' }))
  const privateKey = await subtle.importKey('pkcs8', pkcs8, ALGORITHM, true, ['sign'])
  const { n, e, kty } = key.export({ format: 'jwk' })
  const jwk = { kty: kty ?? 'RSA', n: n ?? '', e: e ?? '' }
  const publicKey = await subtle.importKey('jwk', jwk, ALGORITHM, true, ['verify'])
  return { privateKey, publicKey }
}

function alternativeNames({ hostname, fqdn }: SelfSignedOptions): x509.JsonGeneralNames {
  const names = ['localhost', hostname, ...(fqdn === hostname ? [] : [fqdn])]
  return [
    { type: 'ip', value: '127.0.0.1' },
    { type: 'ip', value: '::1' },
    ...names.map((value) => ({ type: 'dns', value }) as const),
  ]
}

function checkPair({ certificatePem, keyPem }: CertificatePair, path: string): void {
  let fits: boolean
  try {
    fits = new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem))
  } catch (error) {
    const reason = toError(error).message
    throw errors.CERTIFICATE_UNREADABLE({ path, reason }, { cause: error })
  }
  if (!fits) throw errors.CERTIFICATE_UNREADABLE({ path, reason: 'the key belongs to another one' })
}

async function readText(fs: FileSystem, path: string): Promise<string | null> {
  try {
    return Buffer.from(await fs.readFile(path, PEM_SIZE_MAX)).toString('latin1')
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
}
