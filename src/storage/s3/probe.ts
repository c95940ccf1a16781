/** Tries what a store really does, at creation of a datastore and at each start (races.md ). */
import type { Clock } from '../../base/time/clock.ts'
import type { ObjectStore } from '../object-store.ts'
import type { ProbeVerdict } from './verdict.ts'

export type { ProbeVerdict } from './verdict.ts'

export interface ProbeOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
}

/**
 * What `objects` does with small objects below `<prefix>/.cairn-probe/`, which are removed again.
 * Throws S3_REFUSED and S3_UNAVAILABLE if not even ordinary requests work.
 */
export async function probe(
  objects: ObjectStore,
  prefix: string,
  options: ProbeOptions,
): Promise<ProbeVerdict> {
  await objects.head(`${prefix}/.cairn-probe/none`, options)
  throw new Error('not yet')
}
