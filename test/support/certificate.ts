/** One certificate for all tests of a process; made quickly (2048 bits). */
import { systemClock } from '../../src/base/time/clock.ts'
import { createSelfSigned } from '../../src/transport/self-signed.ts'
import { type CertificatePair, ServerTls } from '../../src/transport/tls.ts'

let pair: Promise<CertificatePair> | null = null

/** Key and certificate for `localhost`. */
export function testCertificate(): Promise<CertificatePair> {
  pair ??= createSelfSigned({
    hostname: 'localhost',
    fqdn: 'localhost',
    clock: systemClock,
    keyBits: 2048,
  })
  return pair
}

/** A server's TLS with the certificate of this process. */
export async function testTls(): Promise<ServerTls> {
  return new ServerTls(await testCertificate())
}
