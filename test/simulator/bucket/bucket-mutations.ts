/** Guards of a datastore in a bucket, each taken out: those of `npm run test:guards`, and stock's protocols instead. */
import { BUCKET_GUARDS } from '../../races/bucket-guards.ts'
import { BUCKET_REMOVAL_GUARDS } from '../../races/bucket-removal-guards.ts'
import { DOUBT_GUARDS } from '../../races/doubt-guards.ts'
import type { Mutation } from '../mutation.ts'
import { PROTOCOLS } from './protocols.ts'

/** `R-25`, then `R-25b`, … */
function* named(): Generator<Mutation> {
  const counts = new Map<string, number>()
  for (const { races, what, where, cuts } of [
    ...BUCKET_GUARDS,
    ...DOUBT_GUARDS,
    ...BUCKET_REMOVAL_GUARDS,
  ]) {
    const race = races[0] ?? ''
    const count = (counts.get(race) ?? 0) + 1
    counts.set(race, count)
    const letter = count === 1 ? '' : String.fromCharCode('a'.charCodeAt(0) + count - 1)
    yield {
      id: `bucket-${race}${letter}`,
      what: `${what} (${where})`,
      world: 'bucket',
      patches: cuts,
    }
  }
}

export const BUCKET_MUTATIONS: readonly Mutation[] = [...named(), ...PROTOCOLS]
