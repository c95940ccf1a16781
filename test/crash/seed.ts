/** The seed of what these tests choose at random: `CAIRN_CRASH_SEED`, as `.ci/run` does, or a new one each time. */
import { randomInt } from 'node:crypto'

const SEED_MAX = 2 ** 32

export const SEED = Number(process.env['CAIRN_CRASH_SEED'] ?? randomInt(SEED_MAX))
