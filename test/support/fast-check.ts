/** Fast-check with the seed of this run: `CAIRN_CRASH_SEED`, as `.ci/run` does, or its own new one each time. */
import fc from 'fast-check'

const seed = process.env['CAIRN_CRASH_SEED']
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) })

export { fc }
