/** One certificate for all tests: making a key takes a while. It was made by `createSelfSigned`, and protects nothing. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CertificatePair, ServerTls } from '../../src/transport/tls.ts'

const FOLDER = join(import.meta.dirname, 'localhost')

/** Key (2048 bits) and certificate for `localhost`. */
export async function testCertificate(): Promise<CertificatePair> {
  const certificatePem = await readFile(join(FOLDER, 'certificate.pem'), 'utf8')
  const keyPem = await readFile(join(FOLDER, 'key.pem'), 'utf8')
  return { certificatePem, keyPem }
}

/** A server's TLS with that certificate. */
export async function testTls(): Promise<ServerTls> {
  return new ServerTls(await testCertificate())
}
