/**
 * Which operation may start while which other runs: the table of datastore-semantics.md 20 as data, with what differs
 * in ours; the last row and column, a refresh, are ours. docs/locking.md is generated from it (tools/locking-doc.ts); test/locks/ drives its cells.
 */
import { assert } from '../base/assert.ts'
import { MATRIX_NOTES } from './lock-matrix-notes.ts'
import { MATRIX_TABLE } from './lock-matrix-table.ts'

/** The operations by their short names, in the order of the table. */
export const OPERATIONS = {
  RI: 'read an index',
  CI: 'create an index',
  GM: 'collection: mark',
  GS: 'collection: sweep',
  UM: 'update a manifest',
  FS: 'forget a snapshot',
  PR: 'prune',
  BK: 'backup session',
  VF: 'verify',
  RD: 'reader session',
  SU: 'chunk upload in flight',
  CE: 'cache eviction',
  PL: 'sync pull',
  PS: 'sync push',
  ND: 'delete a namespace',
  GD: 'delete a group',
  RS: 'reload',
  BD: 'verify marks a chunk bad',
  MV: 'move',
  SR: 's3-refresh',
} as const

export type MatrixOperation = keyof typeof OPERATIONS

/** What becomes of the operation that starts. */
export const OUTCOMES = {
  '·': 'independent',
  A: 'allowed, kept safe by the mechanism',
  W: 'waits',
  F: 'fails at once',
  S: 'skips the item and goes on',
  X: 'the running one is stopped or meets an error',
} as const

export type OutcomeCode = keyof typeof OUTCOMES

export const MECHANISMS = {
  g: 'group lock',
  s: 'snapshot lock',
  m: 'manifest lock (5 s, then fails)',
  p: 'process lock',
  q: 'one collection per process',
  c: 'gate of the digest',
  k: 'chunk lock (S3)',
  l: 'cache mutex (S3)',
  r: 'the walk is repeated',
  o: 'registered digests are roots',
  a: 'atomic rename',
  u: 'an open file survives its removal',
  n: 'a vanished file is tolerated',
  j: 'move journal; moved digests are registered',
  f: 'check at finish',
  d: 'job lock',
  e: 'maintenance mode and active operations',
} as const

export type MechanismCode = keyof typeof MECHANISMS

/** One of the cell's cases: same or other process, same or other snapshot, file system or S3. */
export interface MatrixOutcome {
  readonly code: OutcomeCode
  readonly mechanisms: readonly MechanismCode[]
}

export interface MatrixCell {
  readonly during: MatrixOperation
  readonly starts: MatrixOperation
  readonly outcomes: readonly MatrixOutcome[]
  /** What happens; empty for independent ones. */
  readonly note: string
  /** Invariants that the cell protects. */
  readonly guards: readonly string[]
  /** Where ours differs from the page's reference. */
  readonly ours?: string
  /** Whether both operations exist in this version. */
  readonly isBuilt: boolean
}

/** Operations that come with a later issue, and evictions, which are no operation of their own. */
const NOT_BUILT: readonly MatrixOperation[] = ['CE', 'PL', 'PS']

/** Cells where the reference is to be bettered, or where ours is stricter or more patient. */
const OURS: Readonly<Partial<Record<`${MatrixOperation} ${MatrixOperation}`, string>>> = {
  'CI CI': 'a second writer of one name in a session is refused',
  'GM CI': 'another process waits 5 s for the end of the collection before it fails',
  'GM BK': 'another process waits 5 s for the end of the collection before it fails',
  'GS CI': 'another process waits 5 s for the end of the collection before it fails',
  'GS BK': 'another process waits 5 s for the end of the collection before it fails',
  'GM FS': 'the walk is repeated until nothing unknown appears; removals are recorded',
  'GM PR': 'the walk is repeated until nothing unknown appears; removals are recorded',
  'GM MV': 'a move is a writer: it registers what it moves before its rename (R-61)',
  'UM MV': 'a move takes the manifest lock too',
  'MV UM': 'a move takes the manifest lock too',
  'GD FS': 'a snapshot that is gone already counts as removed by the group removal',
  'ND BK': 'a session never makes a namespace: one that is gone stays gone (R-41)',
  'BK BD': 'sessions that rely on the digest are poisoned and fail at finish',
  'CI BD': 'sessions that rely on the digest are poisoned and fail at finish',
  'VF SU': 'bad-marking reads again under the gate: a healed chunk stays (R-31)',
  'SU BD': 'bad-marking reads again under the gate: a healed chunk stays (R-31)',
  'RS BD': 'finish looks at every chunk, so a session of the old process notices',
  'VF RS': 'verification ends, what it has finished stays written',
}

const NAMES = Object.keys(OPERATIONS) as MatrixOperation[]

/** All cells, row by row. */
export const LOCK_MATRIX: readonly MatrixCell[] = readMatrix()

/** The cell of one pair. */
export function matrixCell(during: MatrixOperation, starts: MatrixOperation): MatrixCell {
  const cell = LOCK_MATRIX.find((one) => one.during === during && one.starts === starts)
  assert(cell !== undefined, `no cell for ${during} and ${starts}`)
  return cell
}

/** `A o / F p`, as the table has it. */
export function formatOutcomes(outcomes: readonly MatrixOutcome[]): string {
  return outcomes.map(({ code, mechanisms }) => [code, ...mechanisms].join(' ')).join(' / ')
}

function readMatrix(): readonly MatrixCell[] {
  const notes = readNotes()
  return linesOf(MATRIX_TABLE).flatMap((line) => {
    const [name = '', ...texts] = line.split(' | ')
    const during = operationOf(name)
    assert(texts.length === NAMES.length, `row ${name} has ${texts.length} cells`)
    return texts.map((text, index) => makeCell(notes, { during, starts: NAMES[index], text }))
  })
}

function makeCell(
  notes: ReadonlyMap<string, Pick<MatrixCell, 'note' | 'guards'>>,
  place: {
    readonly during: MatrixOperation
    readonly starts: MatrixOperation | undefined
    readonly text: string
  },
): MatrixCell {
  const { during, starts, text } = place
  assert(starts !== undefined, `row ${during} is too long`)
  const ours = OURS[`${during} ${starts}`]
  return Object.freeze({
    during,
    starts,
    outcomes: text.split(' / ').map(parseOutcome),
    note: '',
    guards: [],
    ...notes.get(`${during} ${starts}`),
    ...(ours === undefined ? {} : { ours }),
    isBuilt: !NOT_BUILT.includes(during) && !NOT_BUILT.includes(starts),
  })
}

/** `A`, `F s`, or a mechanism alone: another way to the outcome before. */
function parseOutcome(text: string): MatrixOutcome {
  const letters = text.split(' ')
  const isBare = letters[0] !== undefined && letters[0] in MECHANISMS
  const [code = '', ...mechanisms] = isBare ? ['A', ...letters] : letters
  assert(code in OUTCOMES, `unknown outcome '${text}'`)
  for (const letter of mechanisms) assert(letter in MECHANISMS, `unknown mechanism '${text}'`)
  return { code: code as OutcomeCode, mechanisms: mechanisms as MechanismCode[] }
}

function readNotes(): ReadonlyMap<string, Pick<MatrixCell, 'note' | 'guards'>> {
  const notes = new Map<string, Pick<MatrixCell, 'note' | 'guards'>>()
  let during = ''
  for (const line of linesOf(MATRIX_NOTES)) {
    if (line.startsWith('during ')) {
      during = operationOf(line.slice('during '.length))
      continue
    }
    const match = /^([A-Z ]+): (.*) \[(I\d+(?: I\d+)*)\]$/.exec(line)
    assert(match !== null, `cannot read '${line}'`)
    const [, starts = '', note = '', guards = ''] = match
    for (const name of starts.split(' ')) {
      notes.set(`${during} ${operationOf(name)}`, { note, guards: guards.split(' ') })
    }
  }
  return notes
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '')
}

function operationOf(name: string): MatrixOperation {
  assert(name in OPERATIONS, `unknown operation '${name}'`)
  return name as MatrixOperation
}
