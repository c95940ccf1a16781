/** Which datastore of which server, as whom: `user@realm!token@host:port:datastore` (spec cli 2.1, 2.2). */
import { isIPv6 } from 'node:net'
import { type AuthId, formatAuthId, parseAuthId } from '../formats/auth-id.ts'
import { errors } from './errors.ts'
import type { ClientHost } from './host.ts'
import { readSecret } from './secrets.ts'

export interface Repository {
  /** Null where the text did not say: `root@pam`, `localhost`, 8007. */
  readonly authId: AuthId | null
  /** IPv6 addresses without brackets. */
  readonly host: string | null
  readonly port: number | null
  readonly datastore: string
}

/** The options a command line has for it. */
export interface RepositoryOptions {
  readonly repository: string | undefined
  readonly server: string | undefined
  readonly port: number | undefined
  readonly datastore: string | undefined
  readonly 'auth-id': string | undefined
}

export const DEFAULT_PORT = 8007
const DEFAULT_HOST = 'localhost'
const DEFAULT_USER = 'root@pam'
const TEXT_LENGTH_MAX = 256

const SAFE_ID = '[A-Za-z0-9_][A-Za-z0-9._\\-]*'
const USER_ID = `[^\\s:/\\x00-\\x1f\\x7f]+@${SAFE_ID}`
const DNS_LABEL = '[A-Za-z0-9](?:[A-Za-z0-9\\-]*[A-Za-z0-9])?'
const HOST = `(?:${DNS_LABEL}(?:\\.${DNS_LABEL})*|\\[[0-9A-Fa-f:.]+\\])`
export const REPOSITORY_PATTERN = new RegExp(
  `^(?:(?:(${USER_ID}(?:!${SAFE_ID})?)@)?(${HOST}):)?(?:([0-9]{1,5}):)?(${SAFE_ID})$`,
)

/** @throws REPOSITORY_INVALID */
export function parseRepository(text: string): Repository {
  const match = text.length <= TEXT_LENGTH_MAX ? REPOSITORY_PATTERN.exec(text) : null
  if (match === null) throw errors.REPOSITORY_INVALID({ text })
  const [, authId, host, port, datastore = ''] = match
  const address = host?.replace(/^\[(.*)\]$/, '$1')
  if (host?.startsWith('[') === true && !isIPv6(address ?? '')) {
    throw errors.REPOSITORY_INVALID({ text })
  }
  return {
    authId: authId === undefined ? null : parseAuthId(authId),
    host: address ?? null,
    port: port === undefined ? null : Number(port),
    datastore,
  }
}

/** The form used in logs: as little as was given, but with an auth id always host and port. */
export function formatRepository(repository: Repository): string {
  const { authId, host, port, datastore } = repository
  const address = bracketed(host ?? DEFAULT_HOST)
  if (authId !== null) {
    return `${formatAuthId(authId)}@${address}:${port ?? DEFAULT_PORT}:${datastore}`
  }
  if (port !== null) return `${address}:${port}:${datastore}`
  return host === null ? datastore : `${address}:${datastore}`
}

/** Who, where and on which port, with the defaults filled in. */
export function addressOf(repository: Repository): {
  readonly authId: AuthId
  readonly host: string
  readonly port: number
} {
  return {
    authId: repository.authId ?? parseAuthId(DEFAULT_USER),
    host: repository.host ?? DEFAULT_HOST,
    port: repository.port ?? DEFAULT_PORT,
  }
}

/**
 * The repository that options and environment name, or null if they name none.
 * @throws REPOSITORY_INVALID, REPOSITORY_AND_COMPONENTS, DATASTORE_MISSING
 */
export async function findRepository(
  host: ClientHost,
  options: RepositoryOptions,
): Promise<Repository | null> {
  const { server, port, datastore } = options
  const hasComponents = [server, port, datastore, options['auth-id']].some(
    (value) => value !== undefined,
  )
  if (options.repository !== undefined) {
    if (hasComponents) throw errors.REPOSITORY_AND_COMPONENTS({})
    return parseRepository(options.repository)
  }
  if (!hasComponents) {
    const text = await readSecret(host, 'PBS_REPOSITORY')
    if (text !== null) return parseRepository(text)
  }
  const found = fromComponents(host, options)
  if (found === null && hasComponents) throw errors.DATASTORE_MISSING({})
  return found
}

/** As `findRepository`. @throws REPOSITORY_MISSING besides */
export async function needRepository(
  host: ClientHost,
  options: RepositoryOptions,
): Promise<Repository> {
  const found = await findRepository(host, options)
  if (found === null) throw errors.REPOSITORY_MISSING({})
  return found
}

function fromComponents(host: ClientHost, options: RepositoryOptions): Repository | null {
  const { environment } = host
  const datastore = options.datastore ?? environment['PBS_DATASTORE']
  if (datastore === undefined) return null
  const server = options.server ?? environment['PBS_SERVER']
  return {
    authId: tryAuthId(options['auth-id'] ?? environment['PBS_AUTH_ID']),
    host: server?.replace(/^\[(.*)\]$/, '$1') ?? null,
    port: options.port ?? tryPort(environment['PBS_PORT']),
    datastore,
  }
}

/** Values of the environment that cannot be read are ignored, as stock does. */
function tryAuthId(text: string | undefined): AuthId | null {
  try {
    return text === undefined ? null : parseAuthId(text)
  } catch {
    return null
  }
}

function tryPort(text: string | undefined): number | null {
  const port = Number(text ?? '')
  return Number.isInteger(port) && port >= 1 && port <= 65_535 ? port : null
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
