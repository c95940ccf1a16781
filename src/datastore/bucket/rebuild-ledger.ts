/**
 * The ledger made anew from a LIST of the chunks (races.md R-65). Backups may go on beside it: an unknown digest costs
 * a conditional PUT, and what is deleted meanwhile is not added again.
 */
import type { Progress } from '../../base/progress.ts'
import { digestOfKey } from '../../storage/bucket-chunks/chunk-keys.ts'
import type { Ledger, LedgerEntry } from '../../storage/ledger.ts'
import type { ObjectStore } from '../../storage/object-store.ts'
import { CHUNK_OBJECTS_FOLDER } from './keys.ts'

export interface RebuildDoors {
  readonly objects: ObjectStore
  readonly ledger: Ledger
  readonly prefix: string
}

/** Adds every chunk that the bucket shows; their number. Throws the errors of ObjectStore, the signal's reason. */
export async function rebuildLedger(
  { objects, ledger, prefix }: RebuildDoors,
  progress: Progress,
): Promise<number> {
  let count = 0
  const { signal } = progress
  await ledger.beginRebuild()
  try {
    for await (const page of objects.list(`${prefix}/${CHUNK_OBJECTS_FOLDER}/`, { signal })) {
      const entries: LedgerEntry[] = []
      for (const { key, size } of page.objects) {
        const digest = digestOfKey(key)
        if (digest !== null && size > 0) entries.push({ digest, size })
      }
      await ledger.addListed(entries)
      count += entries.length
      progress.advance('chunks', count, null)
      signal.throwIfAborted()
    }
  } finally {
    await ledger.endRebuild()
  }
  return count
}
