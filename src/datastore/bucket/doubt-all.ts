/**
 * When something is wrong with what we know of our own past: the machine or its ledger is older than the bucket, lost, or
 * somebody else had the bucket. Deletes that are not known here may be on their way then (races.md R-59 with R-60).
 */
import type { Clock } from '../../base/time/clock.ts'
import { HOLDER_LOOK_MS, type Ledger } from '../../storage/ledger.ts'
import type { ObjectStore } from '../../storage/object-store.ts'
import type { HolderObject } from './holder-object.ts'

export interface DoubtDoors {
  readonly ledger: Ledger
  readonly objects: ObjectStore
  readonly clock: Clock
}

/**
 * Nothing that the ledger says counts, and every key is a suspect: for the life of a request, and for as long as somebody
 * else may take to notice that the bucket is not his any more. Durable when it resolves.
 */
export async function doubtAll(ledger: Ledger, clock: Clock): Promise<void> {
  await ledger.doubtAll(clock.now() + HOLDER_LOOK_MS)
  await ledger.clear()
}

/**
 * When the last delete may have been sent that is still on its way and that whoever takes the bucket over does not know
 * of, by the store's clock: undefined if all were answered. `holder` is what the bucket says before; whoever was
 * collecting notices within HOLDER_LOOK_MS that the bucket is not his any more. Stock says nothing of its deletes.
 */
export async function lastDeleteOf(
  holder: HolderObject | null,
  objects: ObjectStore,
): Promise<number | undefined> {
  if (holder?.isCollecting !== true) return holder?.lastDeleteMs
  return (await objects.now()) + HOLDER_LOOK_MS
}

/** Ends a doubt of everything where the bucket says that no delete is on its way, or says since when none was sent. */
export async function shortenDoubt(doors: DoubtDoors, holder: HolderObject): Promise<void> {
  const { ledger } = doors
  if (ledger.allDoubtedMs === null || holder.isCollecting === true) return
  const { lastDeleteMs } = holder
  await ledger.limitDoubt(lastDeleteMs === undefined ? null : lastDeleteMs - (await skewOf(doors)))
}

/** `lastDeleteMs` of a holder object that is written while nobody deletes: what the ledger knows. */
export async function knownLastDelete(doors: DoubtDoors): Promise<number | undefined> {
  const { ledger } = doors
  const times = (await ledger.suspects()).map(({ lastMs }) => lastMs)
  if (ledger.allDoubtedMs !== null) times.push(ledger.allDoubtedMs)
  if (times.length === 0) return undefined
  return times.reduce((latest, lastMs) => Math.max(latest, lastMs)) + (await skewOf(doors))
}

/** The clock of the store minus ours. */
async function skewOf({ objects, clock }: DoubtDoors): Promise<number> {
  return (await objects.now()) - clock.now()
}
