/** Runs the test of a guard in a process of its own, with some lines of src taken out. */
import { once } from 'node:events'
import { join } from 'node:path'
import { type SourcePatch, spawnPatched } from '../support/source-patch.ts'
import { TEST_FLAGS } from '../support/test-flags.ts'
import { type Cut, type Guard, LAYERS } from './guard.ts'

const ROOT = join(import.meta.dirname, '..', '..')
/** A test that hangs without its guard has noticed, too. */
const TIMEOUT_MS = 120_000
/** What says that the patched source is no program any more, which shows nothing. */
const BROKEN =
  /SyntaxError|ReferenceError|ERR_MODULE_NOT_FOUND|ERR_INVALID_TYPESCRIPT|patch '.*' its text/

export type GuardOutcome = 'passes' | 'fails' | 'broken'

export interface GuardRun {
  readonly outcome: GuardOutcome
  readonly output: string
}

/** The test with the guard in place and, if there are any, the other layers off: it must pass. */
export async function runGuarded(guard: Guard): Promise<GuardRun> {
  return await runTest(guard, layerCuts(guard))
}

/** The test without the guard: it must fail. */
export async function runUnguarded(guard: Guard): Promise<GuardRun> {
  return await runTest(guard, [...layerCuts(guard), ...guard.cuts])
}

export function layerCuts({ without = [] }: Guard): readonly Cut[] {
  return without.flatMap((name): readonly Cut[] => LAYERS[name])
}

async function runTest({ races, test }: Guard, cuts: readonly Cut[]): Promise<GuardRun> {
  const [file, name] = test
  const patches: SourcePatch[] = cuts.map((cut) => ({ id: races.join(), ...cut }))
  const pattern = `^${name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}`
  const flags = [...TEST_FLAGS, '--test-reporter=tap', `--test-name-pattern=${pattern}`]
  // The variables of a test runner around us would make the child one of its files.
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env
  const child = spawnPatched(patches, [...flags, join(ROOT, file)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
    env,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const [code] = (await once(child, 'close')) as [number | null]
  return { outcome: judge(code, output), output }
}

function judge(code: number | null, output: string): GuardOutcome {
  if (BROKEN.test(output)) return 'broken'
  if (code !== 0) return 'fails'
  // Only what has run can have passed.
  return Number(/^# pass (\d+)/m.exec(output)?.[1] ?? '0') > 0 ? 'passes' : 'broken'
}
