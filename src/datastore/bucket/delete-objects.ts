/**
 * Deletes as races.md R-60 wants them: the intent is durable before the request, each key is confirmed by name, and a
 * key whose request was not answered stays suspect.
 */
import { hasCode } from '../../base/errors.ts'
import type { Clock } from '../../base/time/clock.ts'
import type { Ledger } from '../../storage/ledger.ts'
import {
  type DeleteAnswer,
  KEYS_PER_REQUEST,
  type ObjectStore,
} from '../../storage/object-store.ts'
import { isLateError } from '../../storage/s3/errors.ts'
import { errors } from '../errors.ts'

export interface DeleteDoors {
  readonly objects: ObjectStore
  readonly ledger: Ledger
  readonly clock: Clock
}

/**
 * Deletes `keys` in their order, batch by batch; a missing one is no error. True if a request may still be executed
 * although all are gone. Throws BUCKET_DELETE_FAILED, the errors of ObjectStore; what is unclear is suspect then.
 */
export async function deleteObjects(
  doors: DeleteDoors,
  keys: readonly string[],
  signal?: AbortSignal,
): Promise<boolean> {
  let isLate = false
  for (let start = 0; start < keys.length; start += KEYS_PER_REQUEST) {
    signal?.throwIfAborted()
    const batch = keys.slice(start, start + KEYS_PER_REQUEST)
    isLate = (await deleteBatch(doors, batch)) || isLate
  }
  return isLate
}

async function deleteBatch(doors: DeleteDoors, keys: readonly string[]): Promise<boolean> {
  const { objects, ledger, clock } = doors
  await ledger.condemn(keys, clock.now())
  let answer: DeleteAnswer
  try {
    // Not to be stopped: what was sent is waited for.
    answer = await objects.delete(keys)
  } catch (error) {
    // A definite no executes nothing.
    if (hasCode(error, 'S3_REFUSED') && !isLateError(error)) await ledger.acquit(keys)
    else await ledger.renewSuspects(keys, clock.now())
    throw error
  }
  const asked = new Set(keys)
  const confirmed = answer.deleted.filter((key) => asked.delete(key))
  if (answer.isLate) await ledger.renewSuspects(keys, clock.now())
  else {
    await ledger.acquit(confirmed)
    await ledger.renewSuspects([...asked], clock.now())
  }
  const [key] = asked
  if (key === undefined) return answer.isLate
  const reason = answer.failed.find((failed) => failed.key === key)?.reason ?? 'not confirmed'
  const { place } = objects
  throw errors.BUCKET_DELETE_FAILED({ place, key, reason, count: asked.size })
}
