/** Commands that work on a datastore's files beside a running server, under the same locks. */
import { silentLog } from '../../base/log.ts'
import type { Datastore } from '../../datastore/datastore.ts'
import { type OpenDatastores, openDatastores } from '../../server/open-datastores.ts'
import type { Administration } from './administration.ts'

/** Runs `work` on the datastore `name`, which counts as used meanwhile. Errors: those of DatastoreRegistry.use. */
export async function withDatastore<Result>(
  { files }: Administration,
  target: { readonly name: string; readonly operation: 'read' | 'write' },
  work: (store: Datastore, opened: OpenDatastores) => Promise<Result>,
): Promise<Result> {
  const opened = await openDatastores(files, { log: silentLog })
  try {
    using use = await opened.datastores.use(target.name, target.operation)
    return await work(use.store, opened)
  } finally {
    await opened.close()
  }
}
