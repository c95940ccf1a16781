/**
 * The server that runs on the same place as a command: found by its lock, asked over its REST API as `root@pam`. Who
 * can read the key of tickets may do everything anyhow; nobody is asked for a secret, and none leaves this process
 * but as a ticket to the server whose certificate lies beside the key.
 */
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { hasCode, toError } from '../../../base/errors.ts'
import { checkStatus } from '../../../client/answer.ts'
import { Connection } from '../../../client/connection.ts'
import type { Credentials, Headers } from '../../../client/login.ts'
import { SUPERUSER } from '../../../config/auth-id.ts'
import { parseAuthId } from '../../../formats/auth-id.ts'
import { type AuthContext, openAuth } from '../../../server/auth/auth-context.ts'
import { AUTH_COOKIE } from '../../../server/auth/cookies.ts'
import { issueCsrfToken } from '../../../server/auth/csrf.ts'
import { issueTicket } from '../../../server/auth/tickets.ts'
import { OutgoingClient } from '../../../transport/outgoing.ts'
import { certificateFingerprint, type TlsTarget } from '../../../transport/tls.ts'
import type { CommandContext } from '../../context.ts'
import type { Administration } from '../administration.ts'
import { errors } from '../errors.ts'
import { isPlaceTaken, readServingState } from '../reload/serving-place.ts'

/** A server that begins or ends answers nobody for a while. */
const REACH_WAIT_MS = 15_000
const REACH_RETRY_MS = 100
const CONNECT_TIMEOUT_MS = 5_000
/** A ticket that somebody finds is worth nothing soon. */
const TICKET_LIFETIME_S = 600
const TICKET_RENEW_MS = 300_000
const VERSION_PATH = '/api2/json/version'
const CERTIFICATE_SIZE_MAX = 1 << 20
/** Where a server that listens everywhere is reached from here. */
const LOOPBACK: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
])

/**
 * A connection to the server that holds the run folder, for calls about the datastore `store`; null if none does.
 * Waits for one that is about to begin or to end. Errors: SERVER_UNREACHABLE.
 */
export async function connectToLocalServer(
  administration: Administration,
  context: CommandContext,
  store: string,
): Promise<Connection | null> {
  const { fs, paths } = administration
  const deadline = context.clock.monotonic() + REACH_WAIT_MS
  while (await isPlaceTaken(fs, paths.run)) {
    const reached = await tryConnect(administration, context, store)
    if (reached instanceof Connection) return reached
    if (context.clock.monotonic() >= deadline) {
      throw errors.SERVER_UNREACHABLE({ run: paths.run, reason: reached })
    }
    await setTimeout(REACH_RETRY_MS, undefined, { signal: context.signal })
  }
  return null
}

/** The connection, or why there is none yet. */
async function tryConnect(
  { fs, files, paths }: Administration,
  { clock }: CommandContext,
  store: string,
): Promise<Connection | string> {
  const state = await readServingState(fs, paths.run)
  if (state === null || typeof state.host !== 'string') return 'it does not say where it listens'
  const host = LOOPBACK.get(state.host) ?? state.host
  const { port } = state
  const certificate = await fs.readFile(join(paths.config, 'proxy.pem'), CERTIFICATE_SIZE_MAX)
  const trust = { fingerprint: certificateFingerprint(certificate) }
  const target: TlsTarget = { host, port, trust, connectTimeoutMs: CONNECT_TIMEOUT_MS }
  const http = new OutgoingClient(target)
  const authId = parseAuthId(SUPERUSER)
  const repository = { authId, host, port, datastore: store }
  const credentials = new KeyCredentials(await openAuth({ files, clock }))
  const connection = new Connection({ repository, target, http, credentials, signal: undefined })
  try {
    const headers = await credentials.headers()
    const { status, body } = await http.request({ method: 'GET', path: VERSION_PATH, headers })
    checkStatus(status, body)
    return connection
  } catch (error) {
    await connection[Symbol.asyncDispose]()
    const reason = toError(error).message
    // Another server's, or a certificate that was replaced since: waiting does not help.
    const isRefused = hasCode(error, 'SERVER_DENIED', 'TLS_FINGERPRINT_REFUSED')
    if (isRefused) throw errors.SERVER_UNREACHABLE({ run: paths.run, reason })
    return reason
  }
}

/** Tickets made with the configuration's own key. */
class KeyCredentials implements Credentials {
  readonly #auth: AuthContext
  #headers: Headers = {}
  #madeMs: number | null = null

  constructor(auth: AuthContext) {
    this.#auth = auth
  }

  async headers(): Promise<Headers> {
    const now = this.#auth.clock.monotonic()
    if (this.#madeMs !== null && now - this.#madeMs < TICKET_RENEW_MS) return this.#headers
    const ticket = await issueTicket(this.#auth, SUPERUSER, { lifetimeS: TICKET_LIFETIME_S })
    const cookie = `${AUTH_COOKIE}=${encodeURIComponent(ticket)}`
    const csrfpreventiontoken = await issueCsrfToken(this.#auth, SUPERUSER)
    this.#headers = { cookie, csrfpreventiontoken }
    this.#madeMs = now
    return this.#headers
  }
}
