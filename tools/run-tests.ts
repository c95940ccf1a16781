/**
 * Runs every `*.test.ts`, prints the failures and the totals.
 *
 *   run-tests.ts [--skips FILE] [--allowed-skips FILE] [PATH ...]
 *
 * A test that lacks something of the machine is skipped by name. `--skips` writes the names of those;
 * `--allowed-skips` fails the run if a test is skipped that is skipped in that file too: together the
 * two runs of `.ci/run` (root, ordinary user) leave no test out.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { run } from 'node:test'
import { parseArgs } from 'node:util'
import { newCephFolder, stopCeph } from '../test/support/ceph.ts'
import { TEST_FLAGS } from '../test/support/test-flags.ts'
import { listSources } from './source-files.ts'

const root = join(import.meta.dirname, '..')
/** No test file may take longer; a hang is a failure, not a time-out of CI. */
const FILE_TIMEOUT_MS = 400_000
const CONCURRENCY = 2
const LONG = ['test/e2e/', 'test/crash/', 'test/locks/', 'test/model/', 'test/contract/'] as const

interface Outcome {
  readonly name: string
  readonly durationMs: number
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { skips: { type: 'string' }, 'allowed-skips': { type: 'string' } },
})
const files = listSources(root, ['src', 'test', 'tools'])
  .filter((file) => file.endsWith('.test.ts') && isSelected(file))
  .toSorted((a, b) => Number(isLong(b)) - Number(isLong(a)))
  .map((file) => join(root, file))
if (process.env['CAIRN_CEPH_DIR'] === undefined) {
  // The S3 server of this run: the first test that wants one starts it there, all others use it.
  const folder = newCephFolder()
  process.env['CAIRN_CEPH_DIR'] = folder
  process.once('exit', () => stopCeph(folder))
}
const skipped: string[] = []
const passed: Outcome[] = []
let failedCount = 0

const options = { concurrency: CONCURRENCY, timeout: FILE_TIMEOUT_MS, execArgv: [...TEST_FLAGS] }

for await (const event of run({ files, ...options })) {
  if (event.type === 'test:summary' && event.data.file !== undefined) reportFile(event.data)
  // What a test found worth telling: how much was compared, or tried. Node's own are not nested.
  if (event.type === 'test:diagnostic' && event.data.nesting > 0) {
    process.stdout.write(`  ${event.data.message}\n`)
  }
  if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
  const { data } = event
  if (data.details.type === 'suite') continue
  const file = data.file === undefined ? '' : relative(root, data.file)
  // A file that holds tests is itself reported as a test around them; only its failure is news.
  const isFile = resolve(data.name) === data.file || files.includes(resolve(root, data.name))
  if (event.type === 'test:fail') {
    failedCount++
    const error = event.data.details.error
    process.stdout.write(`FAILED ${file}:${data.line ?? 0} ${data.name}\n`)
    process.stdout.write(
      `${indent(String((error.cause as Error | undefined)?.stack ?? error.stack))}\n`,
    )
  } else if (data.skip !== undefined && data.skip !== false) {
    skipped.push(`${file}: ${data.name}`)
    process.stdout.write(`skipped ${file} ${data.name}: ${String(data.skip)}\n`)
  } else if (!isFile) {
    passed.push({ name: `${file} ${data.name}`, durationMs: data.details.duration_ms })
  }
}

for (const { name, durationMs } of passed.sort((a, b) => b.durationMs - a.durationMs).slice(0, 5)) {
  process.stdout.write(`slowest: ${(durationMs / 1000).toFixed(1)} s ${name}\n`)
}
if (values.skips !== undefined) writeFileSync(values.skips, skipped.join('\n'))
const leftOut = findLeftOut(values['allowed-skips'])
for (const name of leftOut) process.stdout.write(`FAILED skipped in both runs: ${name}\n`)
failedCount += leftOut.length
if (passed.length === 0) process.stdout.write('FAILED no test ran\n')
process.exitCode = failedCount > 0 || passed.length === 0 ? 1 : 0
process.stdout.write(`${passed.length} passed, ${failedCount} failed, ${skipped.length} skipped\n`)

function reportFile(summary: {
  file?: string
  counts: { tests: number }
  duration_ms: number
}): void {
  const seconds = (summary.duration_ms / 1000).toFixed(1)
  const file = relative(root, summary.file ?? '')
  process.stdout.write(`${file}: ${summary.counts.tests} tests, ${seconds} s\n`)
}

/** Those that take a minute begin first: at the end one alone would leave a processor idle. */
function isLong(file: string): boolean {
  return LONG.some((path) => file.startsWith(path))
}

function isSelected(file: string): boolean {
  return positionals.length === 0 || positionals.some((path) => file.startsWith(path))
}

function findLeftOut(path: string | undefined): string[] {
  if (path === undefined) return []
  const others = new Set(readFileSync(path, 'utf8').split('\n'))
  return skipped.filter((name) => others.has(name))
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ')
}
