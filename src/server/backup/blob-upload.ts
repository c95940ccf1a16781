/** POST /blob (backup-protocol.md 4.3). */
import type { Static } from 'typebox'
import type { UploadBlob } from '../../protocol/backup-session.ts'
import { storedBuffers } from '../../storage/stored-buffers.ts'
import { refused } from '../errors.ts'
import type { Exchange, SessionReply } from '../session/exchange.ts'
import type { BackupSession } from './session.ts'

/** Collects a blob, checks it and stores it in the snapshot. */
export async function uploadBlob(
  session: BackupSession,
  parameters: Static<typeof UploadBlob>,
  exchange: Exchange,
): Promise<SessionReply> {
  const name = parameters['file-name']
  const encodedSize = parameters['encoded-size']
  if (!name.endsWith('.blob')) throw refused(`wrong blob file extension: '${name}'`)
  using _room = await session.share.acquire(encodedSize, exchange.signal)
  using buffer = storedBuffers.take(encodedSize)
  const received = await exchange.readWhole(buffer.bytes)
  if (received !== encodedSize) {
    throw refused(`got blob with unexpected length (${encodedSize} != ${received})`)
  }
  const { path } = await session.writer.writeBlob(name, buffer.bytes)
  session.addBlob(encodedSize)
  session.log(`add blob ${JSON.stringify(path)} (${encodedSize} bytes, comp: ${encodedSize})`)
  return { kind: 'data', value: null }
}
