/**
 * Fuzzes every decoder and every call in turn and prints the inputs each got.
 *
 *   npm run fuzz -- [--seconds N] [--seed S] [TARGET ...]    N seconds in all, default 600
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fuzz } from './fuzz.ts'
import { FuzzedServer } from './session/fuzzed-server.ts'
import { sessionTargets } from './session/targets.ts'
import { fuzzTargets } from './targets.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string', default: String(process.pid) },
  },
})
const folder = await mkdtemp(join(tmpdir(), 'cairn-fuzz-'))
try {
  await using server = await FuzzedServer.start(join(folder, 'server'))
  const all = [...(await fuzzTargets(folder)), ...(await sessionTargets(server))]
  const targets = all.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
  const seconds = Number(values.seconds) / targets.length
  process.stdout.write(`seed ${values.seed}\n`)
  for (const target of targets) {
    const { inputs, accepted } = await fuzz(target, { seconds, seed: values.seed })
    process.stdout.write(`${target.name}: ${inputs} inputs, ${accepted} accepted\n`)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
