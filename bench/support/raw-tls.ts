/** TLS and nothing else between two processes. */
import { execFile } from 'node:child_process'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { systemClock } from '../../src/base/time/clock.ts'
import { createSelfSigned } from '../../src/transport/create-self-signed.ts'

let certificate: Promise<{ readonly certificatePem: string; readonly keyPem: string }> | null = null

/** Processor seconds that both ends together need for `size` bytes. */
export async function sendOverTls(size: number): Promise<number> {
  const identity = { hostname: 'bench', fqdn: 'bench', clock: systemClock, keyBits: 2048 }
  certificate ??= createSelfSigned(identity)
  const { certificatePem: cert, keyPem: key } = await certificate
  const { promise: received, resolve } = Promise.withResolvers<number>()
  const server = createServer({ cert, key }, (socket) => {
    const before = process.cpuUsage()
    socket.on('data', () => {})
    socket.on('end', () => {
      const { user, system } = process.cpuUsage(before)
      resolve((user + system) / 1e6)
    })
  })
  await new Promise<void>((listening) => {
    server.listen(0, '127.0.0.1', listening)
  })
  const { port } = server.address() as AddressInfo
  const program = join(import.meta.dirname, 'tls-sender.ts')
  const sender = promisify(execFile)(process.execPath, [program, String(port), String(size)])
  const here = await received
  const { stdout } = await sender
  server.close()
  return here + Number(stdout)
}
