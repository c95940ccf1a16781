/**
 * `cairn serve` in small for soaks: its clock runs `CAIRN_CLOCK_FACTOR` times as fast from `CAIRN_CLOCK_START` on, and at
 * SIGUSR2 it says what it holds: `state {"gate":…,"descriptors":…,"rssMib":…}`.
 */
import { readdirSync, writeSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { welcomeLines } from '../../src/cli/server/welcome.ts'
import { resolvePaths } from '../../src/config/paths.ts'
import { Gate } from '../../src/datastore/uploads/gate.ts'
import { startServer } from '../../src/server/server.ts'
import { scaledClock } from './scaled-clock.ts'

const { values } = parseArgs({
  allowPositionals: true,
  options: { data: { type: 'string' }, port: { type: 'string' } },
})
const clock = scaledClock({
  factor: Number(process.env['CAIRN_CLOCK_FACTOR'] ?? 1),
  startMs: Number(process.env['CAIRN_CLOCK_START'] ?? 0),
})

/** Every gate that was ever used here. */
const gates = new Set<Gate>()
const acquire: Gate['acquire'] = Reflect.get(Gate.prototype, 'acquire')
Gate.prototype.acquire = async function (this: Gate, digest, signal) {
  gates.add(this)
  return await acquire.call(this, digest, signal)
}

process.on('SIGUSR2', () => {
  globalThis.gc?.()
  const gate = [...gates].reduce((sum, { size }) => sum + size, 0)
  const descriptors = readdirSync('/proc/self/fd').length
  const rssMib = Math.round(process.memoryUsage.rss() / 2 ** 20)
  writeSync(1, `state ${JSON.stringify({ gate, descriptors, rssMib })}\n`)
})

const paths = resolvePaths({ data: values.data })
const server = await startServer({ paths, host: '127.0.0.1', port: 0, clock })
process.once('SIGTERM', () => {
  server.close({ graceMs: 0 }).then(
    () => process.exit(0),
    () => process.exit(1),
  )
})
const place = { listen: '127.0.0.1', port: server.port, hostname: 'localhost' }
const names = { userid: 'admin@pbs', datastore: 'main', password: null }
for (const line of welcomeLines({ ...place, ...names, fingerprint: server.fingerprint })) {
  writeSync(1, `${line}\n`)
}
