/**
 * Runs benchmarks in turn and prints their tables.
 *
 *   npm run bench -- [--rounds N] [--folder DIR] [--write] [image tree chunker ingest known latency memory listing collection verify s3]
 *
 * `--write` keeps each table in docs/performance.md in place of the one before. Needs `bench/setup.ts` to have run once.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { benchBackup } from './backup.ts'
import { benchChunker } from './chunker.ts'
import { benchCollection } from './collection.ts'
import { benchIngest } from './ingest.ts'
import { benchKnownChunks } from './known-chunks.ts'
import { benchLatency } from './latency.ts'
import { benchListing } from './listing.ts'
import { benchMemory } from './memory.ts'
import { benchS3 } from './s3.ts'
import { benchVerify } from './verify.ts'
import { replacePart } from './support/kept-tables.ts'
import { formatResult, type Result } from './support/result.ts'

const PAGE = join(import.meta.dirname, '..', 'docs', 'performance.md')

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    folder: { type: 'string', default: tmpdir() },
    write: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const BENCHES: Readonly<Record<string, (folder: string) => Promise<Result>>> = {
  chunker: () => Promise.resolve(benchChunker()),
  ingest: benchIngest,
  image: async (folder) => await benchBackup(folder, 'image', rounds),
  tree: async (folder) => await benchBackup(folder, 'tree', rounds),
  known: async (folder) => await benchKnownChunks(folder, rounds),
  latency: benchLatency,
  memory: benchMemory,
  listing: async (folder) => await benchListing(folder, rounds),
  collection: async (folder) => await benchCollection(folder, rounds),
  verify: async (folder) => await benchVerify(folder, rounds),
  s3: async (folder) => await benchS3(folder, rounds),
}

const machine = machineLine()
for (const name of positionals.length > 0 ? positionals : Object.keys(BENCHES)) {
  const bench = BENCHES[name]
  if (bench === undefined)
    throw new Error(`unknown benchmark '${name}': ${Object.keys(BENCHES).join(' ')}`)
  const folder = mkdtempSync(join(values.folder, 'cairn-bench-'))
  try {
    const table = formatResult(await bench(folder))
    process.stdout.write(`${table}\n`)
    if (values.write) keep(name, `${machine}\n${table}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function machineLine(): string {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  const version = (program: string) =>
    execFileSync(program, [program === 'restic' ? 'version' : '--version'], {
      encoding: 'utf8',
    }).split(/\s+compiled|\n/)[0]
  return (
    `${new Date().toISOString().slice(0, 10)}, commit ${commit}, ${cpus().length} cores (${cpus()[0]?.model}), ` +
    `Node ${process.version}, ${version('restic')}, ${version('borg')}, ${rounds} rounds\n`
  )
}

function keep(name: string, part: string): void {
  const page = readFileSync(PAGE, 'utf8')
  writeFileSync(PAGE, replacePart(page, Object.keys(BENCHES), { name, part }))
}
