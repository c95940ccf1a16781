/**
 * Plays schedules of the datastore's operations on a simulated machine (docs/simulator.md).
 *
 *   npm run simulate -- [--seeds N] [--from S] [--shrink] [--mutations [ID…]]
 *
 * Ends with 1 at the first schedule in which an invariant does not hold; its seed replays it exactly.
 */
import '../test/simulator/load.ts'

const { simulate } = await import('../test/simulator/command.ts')
process.exitCode = await simulate(process.argv.slice(2))
