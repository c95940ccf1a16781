/** The whole server: composed, listening, and ended in order. */
import os from 'node:os'
import { join } from 'node:path'
import { isSystemError } from '../base/errors.ts'
import { atomicWrite } from '../base/fs/atomic-write.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { silentLog } from '../base/log.ts'
import { systemClock } from '../base/time/clock.ts'
import { ConfigFiles } from '../config/config-files.ts'
import { ensurePlaces, type Paths } from '../config/paths.ts'
import { loadOrCreateCertificate } from '../transport/self-signed.ts'
import { ServerTls } from '../transport/tls.ts'
import { AccessLog } from './access-log.ts'
import { type App, createApp } from './app.ts'
import { type ComposeOptions, type Composition, compose } from './compose.ts'
import type { ServerContext } from './context.ts'
import { createListener, type Listener } from './listener.ts'
import { ROUTES } from './rest/routes.ts'
import { registerSessions, type Sessions } from './sessions.ts'

/** How long sessions may go on when the server ends. */
export const SESSIONS_GRACE_MS = 30_000

/** How long answers that have begun may take then; a long download is cut. */
const REQUESTS_GRACE_MS = 5_000

export interface ServerOptions extends Omit<ComposeOptions, 'fingerprint'> {
  /** Address to listen on, such as `127.0.0.1` or `::`. */
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  /** Told what an administrator should read at the start; nothing by default. */
  readonly report?: (line: string) => void
  /** Bits of a new RSA key; tests take fewer. */
  readonly keyBits?: number
}

export interface RunningServer {
  readonly port: number
  /** Of the certificate, lower-case hex with colons. */
  readonly fingerprint: string
  /** Whether the certificate was made by this start. */
  readonly certificateCreated: boolean
  /**
   * Takes no more connections, waits `graceMs` (30 s by default) for the sessions, aborts the
   * rest with their clean-up, then closes the datastores. A second call waits for the first.
   */
  close(options?: { readonly graceMs?: number }): Promise<void>
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
  const sessions = registerSessions(context)
  const handleFirst = sessions.handleRequest
  const app = await createApp(context, { routes: ROUTES, handleFirst, accessLog })
  const { isUpgrade, handleUpgrade: onUpgrade } = sessions
  const listener = createListener({ tls, httpServer: app.httpServer, isUpgrade, onUpgrade, log })
  const { port } = await listener.listen(options)
  await writeProcessId(fs, paths)
  const parts = { composition, sessions, app, listener, accessLog }
  let closing: Promise<void> | null = null
  return {
    port,
    fingerprint,
    certificateCreated: certificate.created,
    close: async ({ graceMs = SESSIONS_GRACE_MS } = {}) => {
      closing ??= closeServer(parts, graceMs)
      await closing
    },
  }
}

interface Parts {
  readonly composition: Composition
  readonly sessions: Sessions
  readonly app: App
  readonly listener: Listener
  readonly accessLog: AccessLog
}

/** Referrers before what they refer to: connections, sessions, tasks, datastores. */
async function closeServer(parts: Parts, graceMs: number): Promise<void> {
  const { composition, sessions, app, listener, accessLog } = parts
  await listener.stopAccepting()
  await sessions.drain(graceMs)
  const { context } = composition
  context.tasks.abortAll()
  await context.tasks.idle()
  await app.requests.drain(context.clock, REQUESTS_GRACE_MS)
  await app.fastify.close()
  listener.closeConnections()
  await composition.close()
  await accessLog.flush()
  await removeProcessId(context)
}

/** For administrators and scripts; nothing of ours reads it. */
async function writeProcessId(fs: FileSystem, paths: Paths): Promise<void> {
  const text = new TextEncoder().encode(`${process.pid}\n`)
  await atomicWrite(fs, processIdPath(paths), text, { mode: 0o644, durable: false })
}

async function removeProcessId({ fs, paths }: ServerContext): Promise<void> {
  try {
    await fs.unlink(processIdPath(paths))
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
}

function processIdPath({ run }: Paths): string {
  return join(run, 'proxy.pid')
}
