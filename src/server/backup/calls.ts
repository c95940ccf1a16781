/** The calls of the backup protocol, one function each (backup-protocol.md 4). */
import type { Static } from 'typebox'
import { parseArchiveName } from '../../formats/archive-name.ts'
import { formatSnapshot } from '../../formats/names.ts'
import { type Digest, parseDigest } from '../../formats/digest.ts'
import {
  AppendIndex,
  CloseDynamicIndex,
  CloseFixedIndex,
  CreateDynamicIndex,
  CreateFixedIndex,
  DownloadPrevious,
  UploadBlob,
  UploadChunk,
} from '../../protocol/backup-session.ts'
import { closed, NO_PARAMETERS } from '../../protocol/common.ts'
import { refused } from '../errors.ts'
import type { Exchange, SessionReply } from '../session/exchange.ts'
import { type SessionCall, sessionCall } from '../session/session-call.ts'
import { uploadBlob } from './blob-upload.ts'
import { uploadChunk } from './chunk-upload.ts'
import { closeStatistics } from './close-statistics.ts'
import { finishBackup } from './finish.ts'
import type { BackupSession, OpenWriter } from './session.ts'

type Call = SessionCall<BackupSession>

const NOTHING: SessionReply = Object.freeze({ kind: 'data', value: null })

/** All calls; a name may stand for two methods. */
export const BACKUP_CALLS: readonly Call[] = [
  sessionCall({
    method: 'POST',
    name: 'blob',
    source: 'query',
    parameters: UploadBlob,
    run: uploadBlob,
  }),
  uploadCall('dynamic'),
  uploadCall('fixed'),
  sessionCall({
    method: 'POST',
    name: 'dynamic_index',
    source: 'rest',
    parameters: CreateDynamicIndex,
    run: createDynamicIndex,
  }),
  sessionCall({
    method: 'POST',
    name: 'fixed_index',
    source: 'rest',
    parameters: CreateFixedIndex,
    run: createFixedIndex,
  }),
  appendCall('dynamic'),
  appendCall('fixed'),
  sessionCall({
    method: 'POST',
    name: 'dynamic_close',
    source: 'rest',
    parameters: CloseDynamicIndex,
    run: (session: BackupSession, parameters) => closeIndex(session, 'dynamic', parameters),
  }),
  sessionCall({
    method: 'POST',
    name: 'fixed_close',
    source: 'rest',
    parameters: CloseFixedIndex,
    run: (session: BackupSession, parameters) => closeIndex(session, 'fixed', parameters),
  }),
  sessionCall({
    method: 'GET',
    name: 'previous',
    source: 'query',
    parameters: DownloadPrevious,
    run: downloadPrevious,
  }),
  sessionCall({
    method: 'GET',
    name: 'previous_backup_time',
    source: 'rest',
    parameters: NO_PARAMETERS,
    run: async ({ writer }: BackupSession) => ({ kind: 'data', value: writer.base?.time ?? null }),
  }),
  sessionCall({
    method: 'POST',
    name: 'finish',
    source: 'rest',
    parameters: NO_PARAMETERS,
    run: finishBackup,
  }),
  sessionCall({
    method: 'POST',
    name: 'speedtest',
    source: 'query',
    parameters: closed({}),
    run: testSpeed,
  }),
]

function uploadCall(kind: 'fixed' | 'dynamic'): Call {
  return sessionCall({
    method: 'POST',
    name: `${kind}_chunk`,
    source: 'query',
    parameters: UploadChunk,
    run: (session: BackupSession, parameters, exchange) =>
      uploadChunk(session, kind, parameters, exchange),
  })
}

function appendCall(kind: 'fixed' | 'dynamic'): Call {
  return sessionCall({
    method: 'PUT',
    name: `${kind}_index`,
    source: 'rest',
    parameters: AppendIndex,
    run: (session: BackupSession, parameters) => appendIndex(session, kind, parameters),
  })
}

async function createDynamicIndex(
  session: BackupSession,
  parameters: Static<typeof CreateDynamicIndex>,
): Promise<SessionReply> {
  const index = await session.writer.createDynamicIndex(parameters['archive-name'])
  return announce(session, session.addWriter(index))
}

async function createFixedIndex(
  session: BackupSession,
  parameters: Static<typeof CreateFixedIndex>,
): Promise<SessionReply> {
  const index = await session.writer.createFixedIndex(parameters['archive-name'], {
    size: parameters.size ?? null,
    reuseCsum: parameters['reuse-csum'] ?? null,
  })
  return announce(session, session.addWriter(index))
}

function announce(session: BackupSession, { id, index }: OpenWriter): SessionReply {
  const path = JSON.stringify(`${session.writer.relativePath}/${index.archiveName}`)
  session.log(`created new ${index.kind} index ${id} (${path})`)
  return { kind: 'data', value: id }
}

async function appendIndex(
  session: BackupSession,
  kind: 'fixed' | 'dynamic',
  parameters: Static<typeof AppendIndex>,
): Promise<SessionReply> {
  const { wid } = parameters
  const digests = parameters['digest-list'].map(parseDigest)
  const offsets = parameters['offset-list']
  session.debug(() => `${kind}_append ${digests.length} chunks`)
  // The page's order: list lengths, then per pair `no such chunk`, and only then the writer.
  const writer = writerForAppend(session, kind, { wid, digests, offsets })
  if (writer === null) return NOTHING
  await writer.index.append(digests, offsets, (digest, offset, size) => {
    session.debug(
      () =>
        `successfully added chunk ${digest} to ${kind} index ${wid} (offset ${offset}, size ${size})`,
    )
  })
  return NOTHING
}

/** The writer of an append; null for empty lists, which succeed in any state and for any id (11). */
function writerForAppend(
  session: BackupSession,
  kind: 'fixed' | 'dynamic',
  { wid, digests, offsets }: AppendLists,
): OpenWriter | null {
  if (digests.length !== offsets.length) {
    throw refused(`offset list has wrong length (${offsets.length} != ${digests.length})`)
  }
  const [first] = digests
  if (first === undefined) return null
  if (session.writer.knownSize(first) === undefined) throw refused(`no such chunk ${first}`)
  return session.findWriter(kind, wid)
}

interface AppendLists {
  readonly wid: number
  readonly digests: readonly Digest[]
  readonly offsets: readonly number[]
}

async function closeIndex(
  session: BackupSession,
  kind: 'fixed' | 'dynamic',
  parameters: Static<typeof CloseFixedIndex>,
): Promise<SessionReply> {
  const { wid, size } = parameters
  const chunkCount = parameters['chunk-count']
  const writer = session.findWriter(kind, wid)
  const { csum, uuid } = await writer.index.close({ chunkCount, size, csum: parameters.csum })
  session.removeWriter(writer)
  const facts = { name: writer.index.archiveName, csum, uuid, size, chunkCount }
  const lines = closeStatistics({ ...facts, uploaded: writer.uploaded })
  for (const line of lines) session.log(line)
  session.log(`successfully closed ${kind} index ${wid}`)
  return NOTHING
}

async function downloadPrevious(
  session: BackupSession,
  parameters: Static<typeof DownloadPrevious>,
  { signal }: Exchange,
): Promise<SessionReply> {
  const { writer } = session
  const name = parameters['archive-name']
  const archive = parseArchiveName(name)
  const from = writer.base === null ? '' : ` '${formatSnapshot(writer.base)}'`
  if (archive !== null && archive.kind !== 'blob') {
    await writer.registerPrevious(name, { signal })
    session.log(`register chunks in '${name}' from previous backup${from}.`)
  }
  const file = await writer.openPrevious(name)
  session.log(`download '${name}' from previous backup${from}.`)
  return { kind: 'stream', pieces: file.stream() }
}

/** Answers even if reading failed; in any state. */
async function testSpeed(
  _session: BackupSession,
  _parameters: unknown,
  exchange: Exchange,
): Promise<SessionReply> {
  await exchange.readWhole(new Uint8Array(0)).catch(() => {})
  return NOTHING
}
