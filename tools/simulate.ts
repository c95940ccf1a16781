/**
 * Plays schedules of the datastore's operations on a simulated machine (docs/simulator.md).
 *
 *   npm run simulate -- [--seeds N] [--from S] [--minutes M] [--shrink] [--mutations [ID…]]
 *
 * Ends with 1 at the first schedule in which an invariant does not hold; its seed replays it exactly.
 */
import { spawnSync } from 'node:child_process'
import { HEAP_FLAGS } from '../test/simulator/heap-flags.ts'

if (HEAP_FLAGS.every((flag) => process.execArgv.includes(flag))) {
  await import('../test/simulator/load.ts')
  const { simulate } = await import('../test/simulator/command.ts')
  process.exitCode = await simulate(process.argv.slice(2))
} else {
  const args = [...HEAP_FLAGS, import.meta.filename, ...process.argv.slice(2)]
  process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1
}
