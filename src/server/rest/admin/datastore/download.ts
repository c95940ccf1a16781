/** `download` and `download-decoded` (rest-api §4.3, §1.7). */
import type { Static } from 'typebox'
import { hasCode } from '../../../../base/errors.ts'
import { openArchive } from '../../../../datastore/archive-reader.ts'
import type { Datastore } from '../../../../datastore/datastore.ts'
import { readManifest } from '../../../../datastore/manifest-store.ts'
import { openSnapshotFile, type SnapshotFile } from '../../../../datastore/snapshot-files.ts'
import { archiveKind, serverArchiveName } from '../../../../formats/archive-name.ts'
import { BLOB_SIZE_MAX, decodeBlob, inspectBlob } from '../../../../formats/data-blob.ts'
import type { SnapshotRef } from '../../../../formats/names.ts'
import type { NamespacePath } from '../../../../formats/namespace.ts'
import { Nothing } from '../../../../protocol/common.ts'
import { DownloadParameters } from '../../../../protocol/datastore.ts'
import { AUTHENTICATED } from '../../../../protocol/endpoint.ts'
import { refused } from '../../../errors.ts'
import { readBody } from '../../../read-body.ts'
import { RawReply } from '../../../reply.ts'
import { type Call, type Route, route } from '../../../route.ts'
import { openOwned, permit } from './access.ts'
import { snapshotOf } from './refs.ts'
import { READ } from './requirements.ts'

export const downloadRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/admin/datastore/{store}/download',
    summary: 'A file of a snapshot as it is stored',
    kind: 'raw',
    parameters: DownloadParameters,
    returns: Nothing,
    permission: AUTHENTICATED,
    run: async (parameters, call) => {
      const { datastore, ns, ref } = await openPlace(parameters, call)
      const file = await openFile(datastore, { ns, ref, name: parameters['file-name'] })
      return octets(file.stream())
    },
  }),
  route({
    method: 'GET',
    path: '/admin/datastore/{store}/download-decoded',
    summary: 'The content of a blob or an archive of a snapshot',
    kind: 'raw',
    parameters: DownloadParameters,
    returns: Nothing,
    permission: AUTHENTICATED,
    run: decode,
  }),
]

interface FileRef {
  readonly ns: NamespacePath
  readonly ref: SnapshotRef
  readonly name: string
}

async function openPlace(
  parameters: Static<typeof DownloadParameters>,
  call: Call,
): Promise<{ datastore: Datastore; ns: NamespacePath; ref: SnapshotRef }> {
  const { ns, ...place } = await permit(call, parameters, READ)
  const ref = snapshotOf(parameters)
  const datastore = await openOwned(call, { ...place, ns }, { group: ref, operation: 'read' })
  return { datastore, ns, ref }
}

async function decode(
  parameters: Static<typeof DownloadParameters>,
  call: Call,
): Promise<RawReply> {
  const { datastore, ns, ref } = await openPlace(parameters, call)
  // As in 4.2, `root.pxar` means `root.pxar.didx`.
  const name = serverArchiveName(parameters['file-name'])
  const file = { ns, ref, name }
  if (archiveKind(name) === 'blob') return octets([await readBlob(datastore, file)])
  await checkIndex(datastore, file)
  const reader = await openArchive(datastore, ns, ref, name)
  return octets(reader.stream())
}

async function readBlob(datastore: Datastore, file: FileRef): Promise<Uint8Array> {
  const opened = await openFile(datastore, file)
  const blob = await readBody(opened.stream(), BLOB_SIZE_MAX + 1)
  if (inspectBlob(blob).encrypted) throw refused(`cannot decode '${file.name}' - is encrypted`)
  return await decodeBlob(blob, { checkCrc: true })
}

/** An index of another archive under this name would be served as if it were right. */
async function checkIndex(datastore: Datastore, { ns, ref, name }: FileRef): Promise<void> {
  // A missing file is reported in the words of downloads, not in those of indexes.
  await using _file = await openFile(datastore, { ns, ref, name })
  const { manifest } = await readManifest(datastore, ns, ref)
  const listed = manifest.files.find(({ filename }) => filename === name)
  if (listed === undefined) throw refused(`archive not found in manifest`)
  if (listed.cryptMode === 'encrypt') throw refused(`cannot decode '${name}' - is encrypted`)
  const { index } = await openArchive(datastore, ns, ref, name)
  const csum = Buffer.from(index.computeCsum()).toString('hex')
  if (listed.csum !== csum || listed.size !== index.size) {
    throw refused(`wrong checksum for file '${name}'`)
  }
}

async function openFile(datastore: Datastore, { ns, ref, name }: FileRef): Promise<SnapshotFile> {
  try {
    return await openSnapshotFile(datastore, ns, ref, name)
  } catch (error) {
    if (!hasCode(error, 'FILE_MISSING', 'FILE_NAME_INVALID')) throw error
    throw refused('File open failed: No such file or directory (os error 2)')
  }
}

function octets(body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): RawReply {
  return new RawReply({ 'content-type': 'application/octet-stream' }, inPieces(body))
}

async function* inPieces(
  body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* body
}
