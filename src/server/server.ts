/** The whole server: composed, listening, and ended in order. */
import os from 'node:os'
import { join } from 'node:path'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { silentLog } from '../base/log.ts'
import { systemClock } from '../base/time/clock.ts'
import { ConfigFiles } from '../config/config-files.ts'
import { ensurePlaces } from '../config/paths.ts'
import { loadOrCreateCertificate } from '../transport/self-signed.ts'
import { ServerTls } from '../transport/tls.ts'
import { AccessLog } from './access-log.ts'
import { type App, createApp } from './app.ts'
import { type ComposeOptions, type Composition, compose } from './compose.ts'
import { createListener, type Listener } from './listener.ts'
import { removeProcessId, writeProcessId } from './process-id-file.ts'
import { ROUTES } from './rest/routes.ts'
import { registerSessions, type Sessions } from './sessions.ts'
import { openTaskControl } from './task-control.ts'

/** How long sessions may go on when the server ends. */
export const SESSIONS_GRACE_MS = 30_000

/** How long an idle connection is kept after a successor has taken the socket. */
const IDLE_CLOSE_MS = 1_000

/** What does not survive a reload, so that the exclusive lock is free for the successor (datastore-semantics.md 18). */
const ENDING_TASKS: ReadonlySet<string> = new Set([
  'garbage_collection',
  'verify',
  'verify_group',
  'verify_snapshot',
  'verificationjob',
])

/** How long answers that have begun may take then; a long download is cut. */
const REQUESTS_GRACE_MS = 5_000

export interface ServerOptions extends Omit<ComposeOptions, 'fingerprint'> {
  /** Address to listen on, such as `127.0.0.1` or `::`. */
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  /** Descriptor of the listening socket of the server that ran before; then host and port do not count. */
  readonly descriptor?: number | undefined
  /** Told what an administrator should read at the start; nothing by default. */
  readonly report?: (line: string) => void
  /** Bits of a new RSA key; tests take fewer. */
  readonly keyBits?: number
}

export interface RunningServer {
  /** The address it listens on; `::` or `0.0.0.0` is everywhere. */
  readonly host: string
  readonly port: number
  /** Of the listening socket, for a successor; null when it is closed. */
  readonly descriptor: number | null
  /** Of the certificate, lower-case hex with colons. */
  readonly fingerprint: string
  /** Whether the certificate was made by this start. */
  readonly certificateCreated: boolean
  /**
   * Takes no more connections, waits `graceMs` (30 s by default) for the sessions, aborts the
   * rest with their clean-up, then closes the datastores. A second call waits for the first.
   */
  close(options?: { readonly graceMs?: number }): Promise<void>
  /**
   * A successor has the listening socket: takes no more connections, ends collections and verifications, lets every
   * session, request and other task go on to its end, however long that takes, and closes then. When `signal` is
   * aborted it closes with `graceMs` at once.
   */
  handOver(options: { readonly signal: AbortSignal; readonly graceMs: number }): Promise<void>
}

/** Starts a server. Errors: those of the configuration, the certificate, and of listening. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { paths, fs = nodeFileSystem, clock = systemClock, log = silentLog } = options
  await ensurePlaces(fs, paths)
  const hostname = os.hostname()
  const owner = await new ConfigFiles({ fs, clock, paths }).newFileOwner()
  const certificate = await loadOrCreateCertificate(fs, {
    certificatePath: join(paths.config, 'proxy.pem'),
    keyPath: join(paths.config, 'proxy.key'),
    hostname,
    fqdn: hostname,
    clock,
    owner,
    ...(options.keyBits === undefined ? {} : { keyBits: options.keyBits }),
  })
  const tls = new ServerTls(certificate)
  const { fingerprint } = tls
  const composition = await compose({ ...options, fingerprint }, options.report ?? (() => {}))
  const { context } = composition
  const accessLog = new AccessLog(context)
  const sessions = registerSessions(context, accessLog)
  const handleFirst = sessions.handleRequest
  const app = await createApp(context, { routes: ROUTES, handleFirst, accessLog })
  const { isUpgrade, handleUpgrade: onUpgrade } = sessions
  const listener = createListener({ tls, httpServer: app.httpServer, isUpgrade, onUpgrade, log })
  const { host, port } = await listener.listen(options)
  await writeProcessId(fs, { run: paths.run, pid: process.pid })
  const { tasks } = context
  const taskControl = await openTaskControl({ fs, run: paths.run, tasks, log })
  const parts = { composition, sessions, app, listener, accessLog, taskControl }
  let closing: Promise<void> | null = null
  const close = async (graceMs: number): Promise<void> => {
    closing ??= closeServer(parts, graceMs)
    await closing
  }
  return {
    host,
    port,
    get descriptor() {
      return listener.descriptor
    },
    fingerprint,
    certificateCreated: certificate.created,
    close: async ({ graceMs = SESSIONS_GRACE_MS } = {}) => await close(graceMs),
    handOver: async ({ signal, graceMs }) => {
      await runOut(parts, signal)
      await close(signal.aborted ? graceMs : 0)
    },
  }
}

interface Parts {
  readonly composition: Composition
  readonly sessions: Sessions
  readonly app: App
  readonly listener: Listener
  readonly accessLog: AccessLog
  readonly taskControl: AsyncDisposable
}

/** Resolves when no connection is open and no task runs, or with `signal`. */
async function runOut({ composition, app, listener }: Parts, signal: AbortSignal): Promise<void> {
  const { tasks, clock } = composition.context
  await listener.stopAccepting()
  app.endKeepAlive()
  tasks.endTypes(ENDING_TASKS)
  const over = new AbortController()
  const isEmpty = listener.untilEmpty().then(async () => {
    await tasks.idle()
    over.abort()
  })
  const stop = AbortSignal.any([signal, over.signal])
  while (!stop.aborted) {
    await clock.sleep(IDLE_CLOSE_MS, stop).catch(() => {})
    // A client that kept its connection has had time for another request.
    app.httpServer.closeIdleConnections()
  }
  if (over.signal.aborted) await isEmpty
}

/** Referrers before what they refer to: connections, sessions, tasks, datastores. */
async function closeServer(parts: Parts, graceMs: number): Promise<void> {
  const { composition, sessions, app, listener, accessLog, taskControl } = parts
  await listener.stopAccepting()
  await sessions.drain(graceMs)
  const { context } = composition
  context.tasks.abortAll()
  await context.tasks.idle()
  await taskControl[Symbol.asyncDispose]()
  await app.requests.drain(context.clock, REQUESTS_GRACE_MS)
  await app.fastify.close()
  listener.closeConnections()
  await composition.close()
  await accessLog.flush()
  await removeProcessId(context.fs, { run: context.paths.run, pid: process.pid })
}
