/** Script of the threads that read groups for lists. */
import { serveWorker } from '../base/async/serve-worker.ts'
import { type GroupAnswer, type GroupRequest, readGroup } from '../datastore/listing/read-group.ts'
import { describeSnapshot } from './rest/admin/datastore/snapshot-entry.ts'

serveWorker((input, context): readonly GroupAnswer[] => {
  const check = (): void => context.throwIfAborted()
  return (input as readonly GroupRequest[]).map((request) =>
    readGroup(
      request,
      (listing, manifest) => JSON.stringify(describeSnapshot(listing, manifest)),
      check,
    ),
  )
})
