/** Plays schedules under each mutation, in a process of its own, until one shows it. */
import { once } from 'node:events'
import { join } from 'node:path'
import { forEachConcurrent } from '../../src/base/async/map-concurrent.ts'
import { spawnPatched } from '../support/source-patch.ts'
import { HEAP_FLAGS } from './heap-flags.ts'
import type { Mutation } from './mutation.ts'

/** Of the simulator. */
export const PROGRAM = join(import.meta.dirname, '..', '..', 'tools', 'simulate.ts')
const CONCURRENCY = 2

export interface Finding {
  readonly id: string
  /** Null if no seed showed it. */
  readonly found: { readonly seed: number; readonly violation: string } | null
}

/** In the order in which they end. */
export async function runMutations(
  mutations: readonly Mutation[],
  seeds: number,
  onFinding: (finding: Finding) => void,
): Promise<void> {
  const options = { concurrency: CONCURRENCY }
  await forEachConcurrent(mutations, options, async (mutation) => {
    onFinding(await runMutation(mutation, seeds))
  })
}

async function runMutation(mutation: Mutation, seeds: number): Promise<Finding> {
  const { id, patches, needs = [], world = 'local' } = mutation
  const ordered = patches.map((patch) => ({ id, ...patch }))
  const args = [...HEAP_FLAGS, PROGRAM, '--seeds', String(seeds), '--needs', needs.join()]
  args.push('--world', world)
  const child = spawnPatched(ordered, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout?.on('data', (data: Buffer) => {
    output += data.toString()
  })
  const [code] = (await once(child, 'close')) as [number | null]
  const match = /^seed (\d+): (.*)$/m.exec(output)
  if (code === 0 && match === null) return { id, found: null }
  if (match === null) throw new Error(`mutation ${id} ended with ${code}:\n${output}`)
  return { id, found: { seed: Number(match[1]), violation: match[2] ?? '' } }
}
