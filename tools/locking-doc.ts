/** Writes the matrix of docs/locking.md from src/datastore/lock-matrix.ts; with `--check` fails when it is stale. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  formatOutcomes,
  LOCK_MATRIX,
  type MatrixOperation,
  MECHANISMS,
  OPERATIONS,
  OUTCOMES,
} from '../src/datastore/lock-matrix.ts'

const MARK =
  '<!-- Everything below is made by tools/locking-doc.ts from src/datastore/lock-matrix.ts. -->'
const NAMES = Object.keys(OPERATIONS) as MatrixOperation[]

/** What is stale below `root`, one line each. */
export function findStaleLocking(root: string): string[] {
  const { text, wanted } = renew(root)
  return text === wanted ? [] : ['docs/locking.md is stale: run npm run docs']
}

function renew(root: string): {
  readonly path: string
  readonly text: string
  readonly wanted: string
} {
  const path = join(root, 'docs', 'locking.md')
  const text = readFileSync(path, 'utf8')
  const end = text.indexOf(MARK)
  const head = end < 0 ? `${text.trimEnd()}\n\n` : text.slice(0, end)
  return { path, text, wanted: `${head}${MARK}\n\n${matrixText()}` }
}

function matrixText(): string {
  return [...legend(), ...table(), ...cells()].join('\n')
}

function legend(): string[] {
  const list = (table: Readonly<Record<string, string>>): string =>
    Object.entries(table)
      .map(([letter, meaning]) => `\`${letter}\` ${meaning}`)
      .join(' · ')
  const built = LOCK_MATRIX.filter(({ isBuilt }) => isBuilt).length
  return [
    '## Who may start while who runs',
    '',
    'Row: already running; column: starts. Two cases are set apart by `/`: same or other process, same or other',
    'snapshot, file system or S3. A cell is about the outcome of the one that starts.',
    '',
    `Operations: ${list(OPERATIONS)}.`,
    '',
    `Outcomes: ${list(OUTCOMES)}.`,
    '',
    `Mechanisms: ${list(MECHANISMS)}.`,
    '',
    `${built} of ${LOCK_MATRIX.length} cells are of operations that exist; those with CE, PL or PS come with sync and S3.`,
    '',
  ]
}

function table(): string[] {
  const lines = [
    `| during ↓ / starts → | ${NAMES.join(' | ')} |`,
    `|---|${NAMES.map(() => '---|').join('')}`,
  ]
  for (const name of NAMES) {
    const row = LOCK_MATRIX.filter(({ during }) => during === name)
    lines.push(`| **${name}** | ${row.map((cell) => formatOutcomes(cell.outcomes)).join(' | ')} |`)
  }
  return [...lines, '']
}

function cells(): string[] {
  const lines: string[] = []
  for (const name of NAMES) {
    lines.push(`### During ${name}: ${OPERATIONS[name]}`, '')
    lines.push('| starts | outcome | what happens | protects | ours |', '|---|---|---|---|---|')
    for (const cell of LOCK_MATRIX) {
      if (cell.during !== name || cell.note === '') continue
      const { starts, note, guards, ours = '', isBuilt } = cell
      const mark = isBuilt ? ours : 'not built yet'
      lines.push(
        `| ${starts} | ${formatOutcomes(cell.outcomes)} | ${note} | ${guards.join(' ')} | ${mark} |`,
      )
    }
    lines.push('')
  }
  return lines
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..')
  const { path, text, wanted } = renew(root)
  if (!process.argv.includes('--check')) writeFileSync(path, wanted)
  else if (text !== wanted) {
    process.stderr.write('docs/locking.md is stale: run npm run docs\n')
    process.exitCode = 1
  }
}
