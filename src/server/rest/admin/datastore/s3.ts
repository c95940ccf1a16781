/** A datastore in a bucket: `s3-refresh` (rest-api §4.3), and what is there and what it was asked (ours). */
import { findDatastore } from '../../../../config/datastores.ts'
import { TaskStartedShape, StoreParameters } from '../../../../protocol/datastore.ts'
import { privilege } from '../../../../protocol/endpoint.ts'
import {
  S3ObjectsParameters,
  S3ObjectsShape,
  S3RefreshParameters,
  S3UsageShape,
} from '../../../../protocol/s3.ts'
import { refused } from '../../../errors.ts'
import { type Route, route } from '../../../route.ts'
import { listObjects } from '../../../s3/bucket-listing.ts'
import { readUsage } from '../../../s3/bucket-usage.ts'
import { refreshDatastore } from '../../../s3/refresh-datastore.ts'

export const s3DatastoreRoutes: readonly Route[] = [
  route({
    method: 'PUT',
    path: '/admin/datastore/{store}/s3-refresh',
    summary: 'Starts a task that makes the local copy of a datastore anew from its bucket',
    parameters: S3RefreshParameters,
    returns: TaskStartedShape,
    permission: privilege('/datastore/{store}', 'Datastore.Modify'),
    run: async ({ store, 'overwrite-in-use': takesOver = false }, { context, caller }) => {
      if ((await findDatastore(context.files, store)) === null) {
        throw refused(`no such datastore '${store}'`)
      }
      const start = { type: 's3-refresh', id: store, authId: caller.authId }
      const { upid } = await context.tasks.start(start, async (task) => {
        await refreshDatastore(context, { name: store, takesOver }, task)
      })
      return upid
    },
  }),
  route({
    method: 'GET',
    path: '/admin/datastore/{store}/s3-usage',
    summary: 'What a datastore has in its bucket, and what was asked of it (ours)',
    parameters: StoreParameters,
    returns: S3UsageShape,
    permission: privilege('/datastore/{store}', 'Datastore.Audit'),
    isUnlisted: true,
    run: async ({ store }, { context, use }) =>
      await readUsage(context.s3, await use(store, 'read')),
  }),
  route({
    method: 'GET',
    path: '/admin/datastore/{store}/s3-objects',
    summary: 'A page of the objects of a datastore (ours)',
    parameters: S3ObjectsParameters,
    returns: S3ObjectsShape,
    permission: privilege('/datastore/{store}', 'Datastore.Audit'),
    isUnlisted: true,
    run: async ({ store, prefix, after, recursive }, { use }) => {
      const { bucket } = await use(store, 'read')
      if (bucket === null) throw refused(`store '${store}' not backed by S3`)
      return await listObjects(bucket.objects, { store, prefix, after, isRecursive: recursive })
    },
  }),
]
