/**
 * The one way in which objects of a store are deleted (races.md ): the intent is durable before the request,
 * every key is confirmed by name, and what may still be executed stays suspect.
 */
import { hasCode } from '../base/errors.ts'
import type { Clock } from '../base/time/clock.ts'
import type { Ledger } from './ledger.ts'
import type { DeleteAnswer, ObjectStore } from './object-store.ts'
import { isLateError } from './s3/errors.ts'

export interface DeleteDoors {
  readonly objects: ObjectStore
  readonly ledger: Ledger
  readonly clock: Clock
}

/**
 * Deletes `keys`, at most KEYS_PER_REQUEST of them, in one call that is not aborted: what was sent is waited for. The
 * caller holds the gates of all chunks among them until it has ended. A key is acquitted only if the store confirmed it
 * by name, no attempt was left without an answer, and it was no suspect before: what an earlier call left may still be
 * executed, whatever this one is told. Throws the errors of ObjectStore.
 */
export async function deleteCondemned(
  doors: DeleteDoors,
  keys: readonly string[],
): Promise<DeleteAnswer> {
  const { objects, ledger, clock } = doors
  const inDoubt = new Set(keys.filter((key) => ledger.isSuspect(key)))
  await ledger.condemn(keys, clock.now())
  let answer: DeleteAnswer
  try {
    answer = await objects.delete(keys)
  } catch (error) {
    // A definite no executes nothing.
    const isNo = hasCode(error, 'S3_REFUSED') && !isLateError(error)
    await settle(doors, keys, (key) => isNo && !inDoubt.has(key))
    throw error
  }
  const confirmed = new Set(answer.deleted)
  await settle(doors, keys, (key) => {
    return confirmed.has(key) && !answer.isLate && !inDoubt.has(key)
  })
  return answer
}

async function settle(
  { ledger, clock }: DeleteDoors,
  keys: readonly string[],
  isSettled: (key: string) => boolean,
): Promise<void> {
  const doubtful = keys.filter((key) => !isSettled(key))
  if (doubtful.length > 0) await ledger.renewSuspects(doubtful, clock.now())
  if (doubtful.length < keys.length) await ledger.acquit(keys.filter(isSettled))
}
