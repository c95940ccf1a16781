/** Fails on files over 600 lines, long lines, leftover markers, and calls that belong behind a door. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { listSources } from './source-files.ts'

const FILE_LINES_MAX = 600
/** Long texts and table rows are the only excuse past the formatter's 100 columns. */
const LINE_LENGTH_MAX = 160

interface Ban {
  readonly call: RegExp
  readonly instead: string
  /** Files that are the door, or the edge. */
  readonly except: RegExp
}

const EDGE = /^(src\/cli\/|test\/|tools\/|bench\/)|\.test\.ts$/

const BANS: readonly Ban[] = [
  {
    call: /\bDate\.now\(|\bnew Date\(\)/,
    instead: 'Clock',
    except: /^src\/base\/time\/clock\.ts$/,
  },
  { call: /\bMath\.random\(/, instead: 'node:crypto', except: /^$/ },
  { call: /\bprocess\.env\b/, instead: 'options read at the edge', except: /^$/ },
  { call: /\bconsole\./, instead: 'Log or output.ts', except: /^$/ },
  { call: /@ts-(ignore|nocheck)|\bas any\b|: any\b/, instead: 'unknown', except: /^$/ },
]

/** Brackets keep this line from matching itself. */
const LEFTOVER = /\b([T]ODO|[F]IXME|[X]XX)\b/

/** What is untidy below `root`, one line each. */
export function findUntidy(root: string): string[] {
  const problems: string[] = []
  for (const file of listSources(root, ['src', 'bench', 'test', 'tools'])) {
    const lines = readFileSync(join(root, file), 'utf8').split('\n')
    if (lines.length > FILE_LINES_MAX) problems.push(`${file}: ${lines.length} lines`)
    for (const [index, line] of lines.entries()) {
      const problem = checkLine(file, line)
      if (problem !== null) problems.push(`${file}:${index + 1}: ${problem}`)
    }
  }
  return problems
}

function checkLine(file: string, line: string): string | null {
  if (line.length > LINE_LENGTH_MAX) return `line of ${line.length} characters`
  if (LEFTOVER.test(line)) return 'leftover marker'
  if (EDGE.test(file)) return null
  const code = line.replace(/^\s*(\*|\/\*|\/\/).*/, '')
  const ban = BANS.find((ban) => ban.call.test(code) && !ban.except.test(file))
  return ban === undefined ? null : `use ${ban.instead} instead: ${line.trim()}`
}

if (import.meta.main) {
  const problems = findUntidy(process.argv[2] ?? process.cwd())
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  if (problems.length > 0) process.exitCode = 1
}
