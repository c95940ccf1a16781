/** What the last garbage collection left in `.gc-status` of the datastore. */
import type { Datastore } from '../../../../datastore/datastore.ts'
import {
  emptyStatus,
  type GcStatus,
  readGcStatus as readStatus,
} from '../../../../datastore/collection/status.ts'

/** The status as REST shows it; zeros when there was no run or the file cannot be read. */
export async function readGcStatus(store: Datastore): Promise<GcStatus> {
  return (await readStatus(store)) ?? emptyStatus()
}
