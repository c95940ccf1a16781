/**
 * `cairn serve` over a data folder that is there, with a pretended slow disk: each look at a chunk takes
 * CAIRN_LOOK_DELAY_MS. Takes the arguments of `serve` and greets like it.
 */
import { parseArgs } from 'node:util'
import { welcomeLines } from '../../src/cli/server/welcome.ts'
import { resolvePaths } from '../../src/config/paths.ts'
import { startServer } from '../../src/server/server.ts'

const { values } = parseArgs({
  allowPositionals: true,
  options: { data: { type: 'string' }, port: { type: 'string' } },
})
const server = await startServer({
  paths: resolvePaths({ data: values.data }),
  host: '127.0.0.1',
  port: 0,
  lookDelayMs: Number(process.env['CAIRN_LOOK_DELAY_MS']),
})
const { port, fingerprint } = server
const lines = welcomeLines({
  listen: '127.0.0.1',
  port,
  fingerprint,
  hostname: 'localhost',
  userid: 'admin@pbs',
  datastore: 'main',
  password: null,
})
process.stdout.write(`${lines.join('\n')}\n`)
process.once('SIGTERM', () => {
  server.close({ graceMs: 0 }).then(
    () => process.exit(0),
    () => process.exit(1),
  )
})
