/** Refusals of moves with stock's texts (datastore-semantics.md 5.3, 17). */
import { hasCode } from '../../base/errors.ts'
import { formatGroup, type GroupRef } from '../../formats/names.ts'
import type { NamespacePath } from '../../formats/namespace.ts'
import { errors } from '../errors.ts'

/** `'host/x' in 'm1'`: how texts name a group. */
export function groupInText(group: GroupRef, ns: NamespacePath): string {
  return `'${formatGroup(group)}' in '${ns}'`
}

/** An error with stock's text; nothing was moved. */
export function moveRefused(text: string): Error {
  return errors.MOVE_REFUSED({ text })
}

/** The lock, or LOCKED with the text of the lock and why it cannot be had. */
export async function orBusy<Lock>(lock: Promise<Lock>): Promise<Lock> {
  try {
    return await lock
  } catch (error) {
    if (!hasCode(error, 'GROUP_LOCK_BUSY', 'SNAPSHOT_LOCK_BUSY', 'MANIFEST_LOCK_BUSY')) throw error
    const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
    throw errors.LOCKED({ text: `${error.message}${cause}` }, { cause: error })
  }
}
