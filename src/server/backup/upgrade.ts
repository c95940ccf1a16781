/** The start of a backup session, step by step, and its life as a task (backup-protocol.md 2.5, 6.5, 6.7). */
import type { IncomingMessage } from 'node:http'
import type { Static } from 'typebox'
import { errorChain, toError } from '../../base/errors.ts'
import type { Datastore } from '../../datastore/datastore.ts'
import { beginBackup } from '../../datastore/sessions/begin-backup.ts'
import type { BackupWriter } from '../../datastore/sessions/backup-writer.ts'
import { groupOf } from '../../formats/names.ts'
import { BACKUP_PROTOCOL, BackupUpgrade } from '../../protocol/backup-session.ts'
import type { Task } from '../../tasks/task.ts'
import type { Caller } from '../auth/authenticate.ts'
import { hasPrivilege } from '../auth/permissions.ts'
import type { ServerContext } from '../context.ts'
import { refused } from '../errors.ts'
import type { ConnectionEnd } from '../session/connection.ts'
import { uploadBudget } from '../session/limits.ts'
import type { OpenedSession, ServeConnection } from '../session/opened-session.ts'
import { serveExchange } from '../session/session-call.ts'
import {
  checkUpgradeHeader,
  peerAddress,
  readUpgrade,
  type SessionTarget,
  targetOf,
} from '../session/upgrade-request.ts'
import { BACKUP_CALLS } from './calls.ts'
import { BackupSession } from './session.ts'
import { startVerification } from './verify-new.ts'

type Parameters = Static<typeof BackupUpgrade>

/** What the session's task is made from. */
interface BackupStart {
  readonly context: ServerContext
  readonly caller: Caller
  readonly parameters: Parameters
  readonly target: SessionTarget
  readonly store: Datastore
  readonly writer: BackupWriter
  /** Of the client, for the log. */
  readonly peer: string
}

/**
 * Checks everything in the page's order and takes the locks; the session is then to be started or
 * given up. Errors: those of the page, with its texts and status.
 */
export async function openBackup(
  context: ServerContext,
  request: IncomingMessage,
): Promise<OpenedSession> {
  const { caller, parameters } = await readUpgrade(context, request, BackupUpgrade)
  const target = targetOf(parameters)
  const { aclPath } = target
  const isAllowed =
    caller.superuser || (await hasPrivilege(context.auth, caller, aclPath, ['Datastore.Backup']))
  if (!isAllowed) {
    throw refused(`missing permissions 'Datastore.Backup' on '${aclPath}'`, 403)
  }
  using uses = new DisposableStack()
  const { store } = uses.use(await context.datastores.use(parameters.store, 'write'))
  checkUpgradeHeader(request, BACKUP_PROTOCOL)
  const { ns, ref } = target
  const writer = await beginBackup(store, {
    ns,
    group: groupOf(ref),
    time: ref.time,
    caller: caller.authId,
    benchmark: parameters.benchmark ?? false,
    isCached: parameters['no-cache'] !== true,
  })
  const peer = peerAddress(request)
  const start = { context, caller, parameters, target, store, writer, peer }
  return opened(start, uses.move())
}

function opened(start: BackupStart, operation: Disposable): OpenedSession {
  const { caller, parameters, writer, target } = start
  const { type, id } = target.ref
  return {
    protocol: BACKUP_PROTOCOL,
    operation,
    task: {
      type: writer.benchmark ? 'benchmark' : 'backup',
      id: `${parameters.store}:${type}/${id}`,
      authId: caller.authId,
    },
    giveUp: async () => await writer.abort(),
    run: async (task, serve) => await runBackup(start, task, serve),
  }
}

async function runBackup(start: BackupStart, task: Task, serve: ServeConnection): Promise<void> {
  const { context, parameters, writer, peer } = start
  writer.attachTask({ upid: task.upid, progress: task })
  const from = peer === '' ? '' : ` from ${peer}`
  const what = writer.benchmark ? 'benchmark' : 'backup'
  const path = JSON.stringify(writer.relativePath)
  task.log(`starting new ${what} on datastore '${parameters.store}'${from}: ${path}`)
  using share = uploadBudget.open()
  const isDebug = parameters.debug ?? false
  const log = (line: string): void => task.log(line)
  const state = new BackupSession({ writer, share, log, isDebug })
  const calls = { state, calls: BACKUP_CALLS, log, isDebug, diagnostics: context.log }
  const end = await serve({
    onUpgraded: () => state.debug(() => 'protocol upgrade done'),
    serve: async (exchange) => await serveExchange(calls, exchange),
  })
  if (writer.benchmark) return await endBenchmark(writer, task)
  if (writer.state === 'finished') return await endFinished(start, task, end)
  return await endUnfinished(writer, task, end)
}

/** A benchmark leaves nothing, finished or not, and is always a success. */
async function endBenchmark(writer: BackupWriter, task: Task): Promise<void> {
  await writer.abort()
  task.log('benchmark finished successfully')
}

/** A finished backup stays finished, whatever became of the connection. */
async function endFinished(start: BackupStart, task: Task, end: ConnectionEnd): Promise<void> {
  await start.writer.abort()
  if (end.kind === 'orderly' || end.kind === 'lost') task.log('backup finished successfully')
  else task.log(`backup had errors but finished: ${end.error.message}`)
  if (!start.store.settings.verifyNew) return
  try {
    await startVerification(start.context, {
      store: start.store,
      ns: start.target.ns,
      ref: start.target.ref,
      authId: start.caller.authId,
    })
  } catch (error) {
    task.log(`backup finished, but starting the requested verify task failed: ${errorChain(error)}`)
  }
}

/** An unfinished one loses its snapshot; the reason becomes the task's status. */
async function endUnfinished(writer: BackupWriter, task: Task, end: ConnectionEnd): Promise<void> {
  const error =
    end.kind === 'orderly' ? new Error('backup ended but finished state is not set.') : end.error
  if (end.kind === 'orderly') {
    task.log(`backup ended and finish failed: ${error.message}`)
    task.log('removing unfinished backup')
  } else {
    task.log(`backup failed: ${error.message}`)
    task.log('removing failed backup')
  }
  try {
    await writer.abort()
  } catch (failure) {
    // The next start tries again; the client's failure stays the task's.
    task.warn(`cannot remove the snapshot: ${toError(failure).message}`)
  }
  throw error
}
