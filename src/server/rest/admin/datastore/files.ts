/** `files` of a snapshot (rest-api §4.3). */
import type { Static } from 'typebox'
import { readManifest } from '../../../../datastore/manifest-store.ts'
import { readListing } from '../../../../datastore/snapshots.ts'
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
  const listing = await readListing(datastore, place.ns, ref)
  if (listing === null) throw refused('ENOENT: No such file or directory')
  if (!listing.finished) {
    throw refused(`manifest not found for snapshot '${formatSnapshot(ref)}'`)
  }
  const { manifest, blobSize } = await readManifest(datastore, place.ns, ref)
  return fileEntries(manifest, { blobSize, names: listing.files })
}
