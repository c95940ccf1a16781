/** `upload-backup-log`: the client's own log joins its snapshot (rest-api §4.3). */
import type { Static } from 'typebox'
import { writeClientLog } from '../../../../datastore/snapshot-files.ts'
import { BLOB_SIZE_MAX, checkBlobCrc } from '../../../../formats/data-blob.ts'
import { Nothing } from '../../../../protocol/common.ts'
import { UploadLogParameters } from '../../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import { readBody } from '../../../read-body.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { openOwned, permit } from './access.ts'
import { snapshotOf } from './refs.ts'
import { WRITE_OWN } from './requirements.ts'

export const uploadLogRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/admin/datastore/{store}/upload-backup-log',
    summary: "Stores the client's log, a complete blob, with a snapshot",
    kind: 'raw',
    parameters: UploadLogParameters,
    returns: Nothing,
    permission: AUTHENTICATED,
    run: upload,
  }),
]

async function upload(parameters: Static<typeof UploadLogParameters>, call: Call): Promise<void> {
  const place = await permit(call, parameters, WRITE_OWN)
  const ref = snapshotOf(parameters)
  const datastore = await openOwned(call, place, { group: ref, operation: 'write' })
  const blob = await readBody(call.request, BLOB_SIZE_MAX + 1)
  checkBlobCrc(blob)
  await writeClientLog(datastore, place.ns, ref, blob)
}
