/** Makes the certificate of the first start (rest-api.md 6.1). */
import 'reflect-metadata'
import { createPrivateKey, generateKeyPair, randomUUID, webcrypto } from 'node:crypto'
import { promisify } from 'node:util'
import * as x509 from '@peculiar/x509'
import type { Clock } from '../base/time/clock.ts'
import type { CertificatePair } from './tls.ts'

/** As stock; a guess at the year 3026 costs nothing, an expired certificate costs a night. */
const VALIDITY_DAYS = 365_000
const DAY_MS = 86_400_000
const KEY_BITS = 4096
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
