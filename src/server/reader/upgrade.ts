/** The start of a reader session and its life as a task (backup-protocol.md 2.6, 5). */
import type { IncomingMessage } from 'node:http'
import { errorChain } from '../../base/errors.ts'
import { beginRead } from '../../datastore/sessions/begin-read.ts'
import type { SnapshotReader } from '../../datastore/sessions/snapshot-reader.ts'
import { READER_PROTOCOL, ReaderUpgrade } from '../../protocol/reader-session.ts'
import type { Task } from '../../tasks/task.ts'
import { hasPrivilege } from '../auth/permissions.ts'
import type { ServerContext } from '../context.ts'
import { refused } from '../errors.ts'
import { downloadBudget } from '../session/limits.ts'
import type { OpenedSession, ServeConnection } from '../session/opened-session.ts'
import { serveExchange } from '../session/session-call.ts'
import { checkUpgradeHeader, readUpgrade, targetOf } from '../session/upgrade-request.ts'
import { READER_CALLS } from './calls.ts'
import type { ReaderSession } from './session.ts'

/** Checks everything in the page's order and locks the snapshot. Errors: those of the page. */
export async function openReader(
  context: ServerContext,
  request: IncomingMessage,
): Promise<OpenedSession> {
  const { caller, parameters } = await readUpgrade(context, request, ReaderUpgrade)
  const { ns, ref, aclPath } = targetOf(parameters)
  const { auth } = context
  const mayRead =
    caller.superuser || (await hasPrivilege(auth, caller, aclPath, ['Datastore.Read']))
  const mayBackUp = mayRead || (await hasPrivilege(auth, caller, aclPath, ['Datastore.Backup']))
  if (!mayBackUp) throw refused(`no permissions on ${aclPath}`)
  using uses = new DisposableStack()
  const { store } = uses.use(await context.datastores.use(parameters.store, 'read'))
  checkUpgradeHeader(request, READER_PROTOCOL)
  const checkOwner = mayRead ? null : caller.authId
  const { readAheadCount } = context.sessions
  const reader = await beginRead(store, { ns, ref, checkOwner, readAheadCount })
  const time = ref.time.toString(16).toUpperCase().padStart(8, '0')
  const id = `${parameters.store}:${ref.type}/${ref.id}/${time}`
  const isDebug = parameters.debug ?? false
  return {
    protocol: READER_PROTOCOL,
    operation: uses.move(),
    task: { type: 'reader', id, authId: caller.authId },
    giveUp: async () => await reader.close(),
    run: async (task, serve) => {
      const base = JSON.stringify(store.path)
      task.log(`starting new backup reader datastore '${parameters.store}': ${base}`)
      await runReader(context, { reader, task, serve, isDebug })
    },
  }
}

interface ReaderRun {
  readonly reader: SnapshotReader
  readonly task: Task
  readonly serve: ServeConnection
  readonly isDebug: boolean
}

async function runReader(context: ServerContext, run: ReaderRun): Promise<void> {
  const { task, isDebug, serve } = run
  await using reader = run.reader
  using share = downloadBudget.open()
  const log = (line: string): void => task.log(line)
  const state: ReaderSession = { reader, share, log, isDebug, clock: context.clock }
  const calls = { state, calls: READER_CALLS, log, isDebug, diagnostics: context.log }
  const end = await serve({
    onUpgraded: () => {
      if (isDebug) log('protocol upgrade done')
    },
    serve: async (exchange) => await serveExchange(calls, exchange),
  })
  if (end.kind === 'orderly') {
    log('reader finished successfully')
    return
  }
  context.log.debug(() => ({ error: errorChain(end.error) }), 'reader session ended')
  throw end.error
}
