/**
 * A server that kills itself: `cairn serve` in small, whose file system counts the calls that change something and
 * sends SIGKILL to its own process before call `CAIRN_STEP`, or the first one called `CAIRN_STEP_NAME`; never, without
 * both. Every call is printed as `step N NAME PATH`; counted from the moment it is up, or with `CAIRN_STEP_FROM=start` from its very start.
 * Lines of task and access logs do not count: they promise nothing.
 */
import { writeSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { welcomeLines } from '../../src/cli/server/welcome.ts'
import { resolvePaths } from '../../src/config/paths.ts'
import { startServer } from '../../src/server/server.ts'
import { FaultFileSystem, isMutating } from './fault-file-system.ts'
import { withTreeSteps } from './tree-steps.ts'

const { values } = parseArgs({
  allowPositionals: true,
  options: { data: { type: 'string' }, port: { type: 'string' } },
})
const paths = resolvePaths({ data: values.data })
const killAt = Number(process.env['CAIRN_STEP'] ?? 0)
const killName = process.env['CAIRN_STEP_NAME']
let isCounting = process.env['CAIRN_STEP_FROM'] === 'start'
let count = 0

// A tree goes entry by entry here, so that each of its steps can be the last one.
const inner = withTreeSteps(nodeFileSystem, () => faults.fs)
const faults: FaultFileSystem = new FaultFileSystem(inner)
faults.onStep((step) => {
  if (!isCounting || !isMutating(step) || step.name === 'removeTree') return
  if (step.path.startsWith(paths.log)) return
  count += 1
  const name = `${step.name} ${step.path.slice(paths.data.length)}`
  writeSync(1, `step ${count} ${name}\n`)
  if (count === killAt || name === killName) process.kill(process.pid, 'SIGKILL')
})

const server = await startServer({ paths, host: '127.0.0.1', port: 0, fs: faults.fs })
process.once('SIGTERM', () => {
  server.close({ graceMs: 0 }).then(
    () => process.exit(0),
    () => process.exit(1),
  )
})
const place = { listen: '127.0.0.1', port: server.port, hostname: 'localhost' }
const { fingerprint } = server
const names = { userid: 'admin@pbs', datastore: 'main', password: null }
for (const line of welcomeLines({ ...place, ...names, fingerprint })) writeSync(1, `${line}\n`)
isCounting = true
