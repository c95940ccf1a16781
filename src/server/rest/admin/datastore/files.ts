/** `files` of a snapshot (rest-api §4.3). */
import type { Static } from 'typebox'
import { readManifest } from '../../../../datastore/manifest-store.ts'
import { listSnapshots, snapshotExists } from '../../../../datastore/snapshots.ts'
import { MANIFEST_NAME } from '../../../../formats/archive-name.ts'
import { formatSnapshot } from '../../../../formats/names.ts'
import { FileListShape, SnapshotParameters } from '../../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import { refused } from '../../../errors.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { openOwned, permit } from './access.ts'
import { snapshotOf } from './refs.ts'
import { LOOK } from './requirements.ts'
import { type FileEntry, fileEntries } from './snapshot-entry.ts'

export const fileRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/admin/datastore/{store}/files',
    summary: 'Lists the files of a snapshot',
    parameters: SnapshotParameters,
    returns: FileListShape,
    permission: AUTHENTICATED,
    run: list,
  }),
]

async function list(
  parameters: Static<typeof SnapshotParameters>,
  call: Call,
): Promise<readonly FileEntry[]> {
  const place = await permit(call, parameters, LOOK)
  const ref = snapshotOf(parameters)
  const datastore = await openOwned(call, place, { group: ref, operation: 'read' })
  const listings = await listSnapshots(datastore, place.ns, ref)
  const names = listings.find((listing) => listing.ref.time === ref.time)?.files ?? []
  if (!(await snapshotExists(datastore, place.ns, ref))) {
    throw refused('ENOENT: No such file or directory')
  }
  if (!names.includes(MANIFEST_NAME)) {
    throw refused(`manifest not found for snapshot '${formatSnapshot(ref)}'`)
  }
  const { manifest, blobSize } = await readManifest(datastore, place.ns, ref)
  return fileEntries(manifest, { blobSize, names })
}
