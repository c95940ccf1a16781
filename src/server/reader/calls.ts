/** The calls of the reader protocol (backup-protocol.md 5). */
import type { Static } from 'typebox'
import { parseArchiveName } from '../../formats/archive-name.ts'
import { parseDigest } from '../../formats/digest.ts'
import { closed } from '../../protocol/common.ts'
import { DownloadChunk, DownloadFile } from '../../protocol/reader-session.ts'
import { refused } from '../errors.ts'
import type { Exchange, SessionReply } from '../session/exchange.ts'
import { type SessionCall, sessionCall } from '../session/session-call.ts'
import type { ReaderSession } from './session.ts'

/** Delay of every 401; only this stream waits. */
const REFUSAL_DELAY_MS = 3_000
/** What one chunk is counted as until its size is known: nearly all are smaller. */
const CHUNK_ESTIMATE = 4 * 1024 * 1024
const SPEEDTEST_SIZE = 1024 * 1024

export const READER_CALLS: readonly SessionCall<ReaderSession>[] = [
  sessionCall({
    method: 'GET',
    name: 'chunk',
    source: 'query',
    parameters: DownloadChunk,
    run: downloadChunk,
  }),
  sessionCall({
    method: 'GET',
    name: 'download',
    source: 'query',
    parameters: DownloadFile,
    run: downloadFile,
  }),
  sessionCall({
    method: 'GET',
    name: 'speedtest',
    source: 'query',
    parameters: closed({}),
    run: async () => ({ kind: 'bytes', bytes: Buffer.alloc(SPEEDTEST_SIZE, 0x41) }),
  }),
]

async function downloadFile(
  session: ReaderSession,
  parameters: Static<typeof DownloadFile>,
): Promise<SessionReply> {
  const name = parameters['file-name']
  const file = await session.reader.openFile(name)
  session.log(`download ${JSON.stringify(file.path)}`)
  const archive = parseArchiveName(name)
  if (archive !== null && archive.kind !== 'blob') {
    session.log(`register chunks in '${name}' as downloadable.`)
  }
  return { kind: 'stream', pieces: file.stream() }
}

async function downloadChunk(
  session: ReaderSession,
  parameters: Static<typeof DownloadChunk>,
  exchange: Exchange,
): Promise<SessionReply> {
  const { reader } = session
  const digest = parseDigest(parameters.digest)
  if (!reader.isAllowed(digest)) {
    session.log(`attempted to download chunk ${digest} which is not in registered chunk list`)
    await session.clock.sleep(REFUSAL_DELAY_MS, exchange.signal)
    throw refused(`download chunk ${digest} not allowed`, 401)
  }
  const room = await session.share.acquire(CHUNK_ESTIMATE, exchange.signal)
  try {
    if (session.isDebug) session.log(`download chunk ${JSON.stringify(reader.chunkPath(digest))}`)
    const chunk = await reader.readChunk(digest)
    return { kind: 'bytes', bytes: chunk.bytes, memory: chunk, sent: room }
  } catch (error) {
    room[Symbol.dispose]()
    throw error
  }
}
