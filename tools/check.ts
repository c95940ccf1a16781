/** The whole gate besides the tests: types, lint, format, imports, tidiness. Names each step that fails. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { findWrongImports } from './check-imports.ts'
import { findStaleLocking } from './locking-doc.ts'
import { findUntidy } from './tidy.ts'

const root = join(import.meta.dirname, '..')

const STEPS: readonly { name: string; command: readonly string[] }[] = [
  { name: 'types', command: ['tsc'] },
  { name: 'lint', command: ['oxlint', '--type-aware', '--deny-warnings'] },
  { name: 'format', command: ['biome', 'format', '--no-errors-on-unmatched'] },
]

const failed: string[] = []
for (const { name, command } of STEPS) {
  const [program, ...args] = command
  const path = join(root, 'node_modules', '.bin', program ?? '')
  const { status } = spawnSync(path, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) failed.push(name)
}
report('imports', findWrongImports(root))
report('tidy', findUntidy(root))
report('locking', findStaleLocking(root))
process.stdout.write(
  failed.length === 0 ? 'check: all well\n' : `check failed: ${failed.join(', ')}\n`,
)
process.exitCode = failed.length === 0 ? 0 : 1

function report(name: string, problems: readonly string[]): void {
  for (const problem of problems) process.stdout.write(`${name}: ${problem}\n`)
  if (problems.length > 0) failed.push(name)
}
