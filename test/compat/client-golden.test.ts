/**
 * The recorded calls of the stock client, in an order in which each finds the state that it was
 * recorded in, made by our client to our server. Every recorded call is compared here or in
 * `client-output.test.ts`, or stands in `client-not-yet.ts`.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { makeCall, readCall, recordedCallNames, withoutVersion } from '../support/client-call.ts'
import { goldenContents } from '../support/golden-datastore.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { listDisk, readListing } from '../support/tree-listing.ts'
import {
  isListing,
  type RestoredContent,
  STEPS,
  type Step,
  WITHOUT_SERVER,
} from './client-call-lists.ts'
import { NOT_YET } from './client-not-yet.ts'
import { type ClientState, openClientState } from './client-state.ts'

/** On a disk, as the recording: its figures count the attributes that a disk keeps. */
const folder = await makeTemporaryFolder(null, { onDisk: true })
const serverFolder = await makeTemporaryFolder()
const IS_ROOT = process.getuid?.() === 0

suite('recorded calls of the stock client against our server', () => {
  const previous = process.cwd()
  const agreed: string[] = []
  const refused = new Map<string, string[]>()
  let state: ClientState

  before(async () => {
    process.env['TZ'] = 'UTC'
    state = await openClientState(folder, serverFolder)
    process.chdir(state.folder)
  })
  after(async () => {
    process.chdir(previous)
    await state.close()
  })

  for (const step of STEPS) {
    const { name, needsRoot = false } = step
    const skip = needsRoot && !IS_ROOT ? 'only root can restore owners and devices' : false
    test(name, { skip }, async () => {
      const problem = await compare(state, step)
      const row = NOT_YET.find(({ calls }) => calls.includes(name))
      if (problem === null) agreed.push(name)
      else if (row === undefined) throw problem
      else refused.set(row.reason, [...(refused.get(row.reason) ?? []), name])
    })
  }

  test('every recorded call is compared or stands in the table', (context) => {
    const all = recordedCallNames()
    const here = STEPS.map(({ name }) => name)
    const elsewhere = all.filter((name) => WITHOUT_SERVER.includes(name) || isListing(name))
    const missing = all.filter((name) => !here.includes(name) && !elsewhere.includes(name))
    assert.deepEqual(missing, [])
    assert.deepEqual(new Set(here).size, here.length)
    context.diagnostic(`${all.length} recorded calls`)
    context.diagnostic(`compared ${agreed.length} against the server`)
    context.diagnostic(`compared ${elsewhere.length} in client-output.test.ts`)
    for (const [reason, calls] of refused) context.diagnostic(`not yet ${calls.length}: ${reason}`)
  })

  test('no row of the table is out of date', () => {
    const stale = NOT_YET.filter(({ reason }) => (refused.get(reason) ?? []).length === 0)
    assert.deepEqual(
      stale.map(({ reason }) => reason),
      [],
    )
  })
})

/** Null, or what differs. */
async function compare(state: ClientState, step: Step): Promise<Error | null> {
  const recorded = readCall(step.name)
  rmSync(join(state.folder, 'clirestore'), { recursive: true, force: true })
  const environment = state.environment(recorded.environment)
  const words = recorded.words.map((word) => word.replace('/<work____>', state.folder))
  const { clock } = state
  for (const call of step.before ?? []) {
    const ready = await makeCall(call.split(' '), { environment, clock })
    if (ready.status !== 0) return new Error(`cannot prepare ${step.name}: ${ready.stderr}`)
  }
  const made = await makeCall(words, { environment, clock, answer: step.answer ?? '' })
  try {
    assert.equal(masked(state.asRecorded(made.stderr)), masked(recorded.stderr))
    const [shown, expected] = [state.asRecorded(made.stdout), recorded.stdout]
    assert.deepEqual(unordered(masked(shown)), unordered(masked(expected)))
    assert.equal(made.status, recorded.status)
    if (step.tree !== undefined) compareTree(join(state.folder, 'clirestore'), step.tree)
    if (step.restored !== undefined)
      compareRestored(join(state.folder, 'clirestore'), step.restored)
    if (step.content !== undefined) {
      assert.equal(made.stdout, readFileSync(join(state.folder, step.content), 'utf8'))
    }
    return null
  } catch (error) {
    return error as Error
  }
}

/** Figures that depend on the machine, the moment and the libraries. */
const VARYING: readonly (readonly [pattern: RegExp, shown: string])[] = [
  [/^(Starting backup protocol|End Time|Duration): .*$/gm, '$1'],
  [/ in [0-9.]+ s \(average [^)]*\)/g, ' in TIME'],
  [/\(([^()]*) processed in [^,]*, average [^)]*\)/g, '($1 processed)'],
  // Another library compresses.
  [/\(compressed (?!0 B)[^)]*\)/g, '(compressed)'],
  // The texts of OpenSSL.
  [/\nCaused by:\n(?: +\d: error:.*\n)+/, '\nCaused by: TLS\n'],
  [
    /\nCaused by:\n +error connecting to \S+ - Cannot trust the certificate .*\n/,
    '\nCaused by: TLS\n',
  ],
]

/** An ordinary user's copies of the trees lack devices and attributes, and one file is closed to him. */
const OF_USER =
  /^failed to open file: "modes\/none": access denied\n|\d+(?:\.\d+)?(?: B| [KMGT]iB|%)/gm

function masked(text: string): string {
  let all = withoutVersion(text)
  for (const [pattern, shown] of VARYING) all = all.replaceAll(new RegExp(pattern, 'gm'), shown)
  return IS_ROOT ? all : all.replaceAll(OF_USER, '')
}

/** The recorded source tree without what its own `.pxarexclude` leaves out. */
function compareTree(folder: string, name: string): void {
  const isExcluded = (path: string) => /^excluded\/(a\.tmp|cache(\/x)?|sub\/b\.tmp)$/.test(path)
  const expected = [...readListing(name)].filter(([path]) => !isExcluded(path))
  assert.deepEqual([...listDisk(folder)], expected)
}

/** The whole content of what `folder` holds (or is) against the snapshot's description. */
function compareRestored(path: string, { snapshot, file, names }: RestoredContent): void {
  if (names !== undefined) return assert.deepEqual(readdirSync(path, { recursive: true }), names)
  const { files } = goldenContents().snapshots.find(({ folder }) => folder === snapshot) ?? {}
  const golden = files?.find((listed) => listed.file === file)
  assert.equal(createHash('sha256').update(readFileSync(path)).digest('hex'), golden?.plain_sha256)
}

/** Stock lists in the order of the directory; what it sorts itself are the rows of tables. */
function unordered(text: string): unknown {
  if (/^(?:\{|\[)(?:\n|"|\{|\])/.test(text)) return sorted(JSON.parse(text))
  return text.split('\n').some((line) => /[^a-z/]/.test(line)) ? text : text.split('\n').toSorted()
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(sorted).toSorted((left, right) => {
      return JSON.stringify(left) < JSON.stringify(right) ? -1 : 1
    })
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, sorted(item)]))
}
