/** One server as one caller: REST calls, and upgrades to the two session protocols (spec cli 2.6). */
import { hasCode, toError } from '../base/errors.ts'
import { formatAuthId } from '../formats/auth-id.ts'
import { type H2Session, connectUpgraded } from '../transport/h2-session.ts'
import { type OutgoingAnswer, OutgoingClient } from '../transport/outgoing.ts'
import type { ProxyTarget } from '../transport/proxy-tunnel.ts'
import type { Query } from '../transport/query.ts'
import type { TlsTarget } from '../transport/tls.ts'
import { type Envelope, checkStatus, parseAnswer } from './answer.ts'
import { errors } from './errors.ts'
import { trustOf } from './fingerprints.ts'
import type { ClientHost, Environment } from './host.ts'
import { type Credentials, openCredentials } from './login.ts'
import { type Repository, addressOf, formatRepository } from './repository.ts'
import { countUse } from './repository-uses.ts'

const FORM = 'application/x-www-form-urlencoded'
const JSON_TYPE = 'application/json'
const PROXY_PORT = 1080

export interface ConnectionOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * A connection for `repository`; nothing is sent before the first call.
 * @throws CLIENT_BUILD_FAILED when there are no credentials
 */
export async function openConnection(
  host: ClientHost,
  repository: Repository,
  options: ConnectionOptions = {},
): Promise<Connection> {
  const { authId, host: server, port } = addressOf(repository)
  const target: TlsTarget = {
    host: server,
    port,
    trust: await trustOf(host, server),
    proxy: proxyOf(host),
  }
  const http = new OutgoingClient(target)
  try {
    const credentials = await openCredentials(host, server, { authId, http })
    await countUse(host, formatRepository(repository))
    return new Connection({ repository, target, http, credentials, signal: options.signal })
  } catch (cause) {
    await http.close()
    const reason = toError(cause).message
    const data = { repository: formatRepository(repository), reason }
    throw errors.CLIENT_BUILD_FAILED(data)
  }
}

interface Parts {
  readonly repository: Repository
  readonly target: TlsTarget
  readonly http: OutgoingClient
  readonly credentials: Credentials
  readonly signal: AbortSignal | undefined
}

export class Connection implements AsyncDisposable {
  readonly repository: Repository
  /** Aborts every call. */
  readonly signal: AbortSignal | undefined
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
    this.repository = parts.repository
    this.signal = parts.signal
  }

  /** Auth id as text, for parameters that ask for the caller. */
  get authId(): string {
    return formatAuthId(addressOf(this.repository).authId)
  }

  /** Logs in if that is needed at all. */
  async login(): Promise<void> {
    await this.#guard(() => this.#parts.credentials.headers(this.signal))
  }

  async get(path: string, query?: Query): Promise<Envelope> {
    return await this.#call({ method: 'GET', path, query, contentType: FORM })
  }

  async put(path: string, query?: Query): Promise<Envelope> {
    return await this.#call({ method: 'PUT', path, query, contentType: FORM })
  }

  async delete(path: string, query?: Query): Promise<Envelope> {
    return await this.#call({ method: 'DELETE', path, query, contentType: FORM })
  }

  /** Parameters travel as a JSON body. */
  async post(path: string, parameters: Readonly<Record<string, unknown>>): Promise<Envelope> {
    const body = Buffer.from(JSON.stringify(parameters))
    return await this.#call({ method: 'POST', path, body, contentType: JSON_TYPE })
  }

  /** Posts raw bytes; parameters travel in the query. */
  async postBytes(path: string, query: Query, body: Uint8Array): Promise<Envelope> {
    const contentType = 'application/octet-stream'
    return await this.#call({ method: 'POST', path, query, body, contentType })
  }

  /** Upgrades `path` with `query` to `protocol`. The doubled slash is what stock sends. */
  async upgrade(path: string, query: string, protocol: string): Promise<H2Session> {
    return await this.#guard(async () => {
      const headers = await this.#parts.credentials.headers(this.signal)
      const request = { path: `//api2/json/${path}${query}`, protocol, headers }
      return await connectUpgraded(this.#parts.target, { ...request, signal: this.signal })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.http.close()
  }

  async #call(request: Call): Promise<Envelope> {
    const answer = await this.#guard(() => this.#send(request))
    checkStatus(answer.status, answer.body)
    return parseAnswer(answer.body)
  }

  async #send(request: Call): Promise<OutgoingAnswer> {
    const headers = await this.#parts.credentials.headers(this.signal)
    return await this.#parts.http.request({
      method: request.method,
      path: `/api2/json/${request.path}`,
      query: request.query,
      headers: { 'content-type': request.contentType, ...headers },
      body: request.body,
      signal: this.signal,
    })
  }

  /** Runs `fn`; a server that cannot be reached is told as stock tells it. */
  async #guard<Result>(fn: () => Promise<Result>): Promise<Result> {
    try {
      return await fn()
    } catch (error) {
      throw connectError(error, this.#parts.target)
    }
  }
}

interface Call {
  readonly method: string
  readonly path: string
  readonly query?: Query | undefined
  readonly body?: Uint8Array
  readonly contentType: string
}

function connectError(error: unknown, { host, port }: TlsTarget): unknown {
  const url = `https://${host.includes(':') ? `[${host}]` : host}:${port}/`
  if (hasCode(error, 'TLS_FINGERPRINT_REFUSED', 'CONNECT_TIMED_OUT')) {
    return errors.CONNECT_FAILED(
      {},
      { cause: new Error(`error connecting to ${url} - ${error.message}`) },
    )
  }
  if (!hasCode(error, 'CONNECT_FAILED')) return error
  const { cause } = error
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const isName = code === 'ENOTFOUND' || code === 'EAI_AGAIN'
  const what = isName ? 'dns error' : 'tcp connect error'
  return errors.CONNECT_FAILED({}, { cause: new Error(`error connecting to ${url} - ${what}`) })
}

/** `ALL_PROXY`: `[http://][user:pass@]host[:port]`, asked to CONNECT. */
function proxyOf(host: ClientHost): ProxyTarget | null {
  const proxy = parseProxy(host.environment)
  if (proxy !== null) host.log(`Using proxy connection: ${proxy.host}:${proxy.port}`)
  return proxy
}

function parseProxy(environment: Environment): ProxyTarget | null {
  const text = environment['ALL_PROXY'] ?? ''
  const match = /^(?:http:\/\/)?(?:([^@]*)@)?(\[[^\]]+\]|[^:/]+)(?::(\d+))?\/?$/.exec(text)
  if (match === null) return null
  const [, account, host = '', port] = match
  return {
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port: port === undefined ? PROXY_PORT : Number(port),
    authorization:
      account === undefined
        ? undefined
        : `Basic ${Buffer.from(decodeURIComponent(account)).toString('base64')}`,
  }
}
