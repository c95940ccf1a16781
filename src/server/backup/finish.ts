/** POST /finish (backup-protocol.md 4.13, 6.6): everything durable and visible, or a clear error. */
import type { Exchange, SessionReply } from '../session/exchange.ts'
import type { BackupSession } from './session.ts'

/** Finishes the snapshot; all locks are released before this is answered. */
export async function finishBackup(
  session: BackupSession,
  _parameters: unknown,
  exchange: Exchange,
): Promise<SessionReply> {
  await session.writer.finish(session.statistics, { signal: exchange.signal })
  session.log('successfully finished backup')
  return { kind: 'data', value: null }
}
