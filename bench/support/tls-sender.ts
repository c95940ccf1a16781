/**
 * Sends bytes over TLS and nothing else: one half of the raw step.
 *
 *   tls-sender.ts PORT BYTES      prints the processor seconds it took
 */
import { once } from 'node:events'
import { connect } from 'node:tls'
import { SeededRandom } from './random.ts'

const [port, size] = process.argv.slice(2).map(Number)
const piece = new SeededRandom('tls').bytes(4 << 20)
const socket = connect({ host: '127.0.0.1', port: port ?? 0, rejectUnauthorized: false })
await once(socket, 'secureConnect')
const before = process.cpuUsage()
for (let sent = 0; sent < (size ?? 0); sent += piece.length) {
  if (!socket.write(piece)) await once(socket, 'drain')
}
socket.end()
await once(socket, 'close')
const { user, system } = process.cpuUsage(before)
process.stdout.write(String((user + system) / 1e6))
