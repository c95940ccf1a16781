/** Deletes of any number of objects, batch by batch, as races.md R-60 wants them (see `deleteCondemned`). */
import { deleteCondemned, type DeleteDoors } from '../../storage/condemned-delete.ts'
import { KEYS_PER_REQUEST } from '../../storage/object-store.ts'
import { errors } from '../errors.ts'

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
  const { objects, ledger } = doors
  const answer = await deleteCondemned(doors, keys)
  const asked = new Set(keys)
  for (const confirmed of answer.deleted) asked.delete(confirmed)
  const [key] = asked
  if (key === undefined) return keys.some((deleted) => ledger.isSuspect(deleted))
  const reason = answer.failed.find((failed) => failed.key === key)?.reason ?? 'not confirmed'
  const { place } = objects
  throw errors.BUCKET_DELETE_FAILED({ place, key, reason, count: asked.size })
}
