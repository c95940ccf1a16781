/**
 * Takes every guard out in turn and fails if its test still passes: then either the guard or the test is for nothing.
 *
 *   npm run test:guards -- [--only TEXT]
 *
 * `--only`: guards that have the text in their races, their words or their file. Guards are in test/races/*-guards.ts;
 * what is taken out is an exact text of src, replaced in a process of its own.
 */
import { parseArgs } from 'node:util'
import { forEachConcurrent } from '../src/base/async/map-concurrent.ts'
import { GUARDS } from '../test/races/catalogue.ts'
import type { Guard } from '../test/races/guard.ts'
import { runGuarded, runUnguarded } from '../test/races/run-guard.ts'

const CONCURRENCY = 2
const OUTPUT_SHOWN = 4_000

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } })
const guards = GUARDS.filter((guard) => describe(guard).includes(values.only))
if (guards.length === 0) throw new Error(`no guard has '${values.only}'`)
let failedCount = 0
await forEachConcurrent(guards, { concurrency: CONCURRENCY }, async (guard) => {
  const problem = await problemOf(guard)
  if (problem !== null) failedCount += 1
  process.stdout.write(`${problem === null ? 'ok    ' : 'FAILED'} ${describe(guard)}\n`)
  if (problem !== null) process.stdout.write(`${problem}\n`)
})
process.stdout.write(`${guards.length - failedCount} guards are needed, ${failedCount} are not\n`)
process.exitCode = failedCount === 0 ? 0 : 1

function describe({ races, what, cuts }: Guard): string {
  return `${races.join(', ')}: ${what} (${cuts[0]?.file ?? ''})`
}

async function problemOf(guard: Guard): Promise<string | null> {
  if (guard.without !== undefined) {
    const { outcome, output } = await runGuarded(guard)
    if (outcome !== 'passes') return `with other layers off it ${outcome}:\n${shorten(output)}`
  }
  const { outcome, output } = await runUnguarded(guard)
  return outcome === 'fails' ? null : `without it the test ${outcome}:\n${shorten(output)}`
}

function shorten(text: string): string {
  return text.slice(-OUTPUT_SHOWN)
}
