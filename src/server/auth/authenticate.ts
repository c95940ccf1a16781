/**
 * Who makes a request: the user of a ticket cookie or an API token. A refusal takes 3 s; its reason goes to
 * `auth.log` only. Source: rest-api.md 2.1, 6.4.
 */
import type { IncomingMessage } from 'node:http'
import { isIPv4 } from 'node:net'
import { hasCode } from '../../base/errors.ts'
import { Secret } from '../../base/secret.ts'
import { SUPERUSER } from '../../config/auth-id.ts'
import { verifyTokenSecret } from '../../config/tokens.ts'
import { isActive } from '../../config/users.ts'
import { parseAuthId } from '../../formats/auth-id.ts'
import type { AuthContext } from './auth-context.ts'
import { authCookie } from './cookies.ts'
import { csrfProblem } from './csrf.ts'
import { errors } from './errors.ts'
import { refusalDelay } from './refusal-delay.ts'
import { verifyTicket } from './tickets.ts'

/** The parts of a request that say who makes it. */
export interface AuthRequest {
  readonly method: string
  /** The `Cookie` headers, one by one. */
  readonly cookies: readonly string[]
  readonly authorization: string | null
  readonly csrfToken: string | null
  /** Address and port, `[::1]:39266`. */
  readonly peer: string
}

export interface Caller {
  /** `user@realm` or `user@realm!token`. */
  readonly authId: string
  /** `user@realm`: of a token its owner. */
  readonly user: string
  /** Name of the token, null for a user. */
  readonly token: string | null
  /** `root@pam` by ticket; no token is. */
  readonly superuser: boolean
}

type Outcome = { readonly caller: Caller } | { readonly reason: string }

const SCHEME = /^PBSAPIToken[ =]([^:]*)(?::(.*))?$/s

/** What authentication looks at in `request`. */
export function authRequestOf(request: IncomingMessage): AuthRequest {
  const { remoteAddress, remotePort } = request.socket
  const csrf = request.headers['csrfpreventiontoken']
  return {
    method: request.method ?? 'GET',
    cookies: request.headersDistinct['cookie'] ?? [],
    authorization: request.headers.authorization ?? null,
    csrfToken: typeof csrf === 'string' ? csrf : null,
    peer: `[${mappedAddress(remoteAddress ?? '')}]:${remotePort ?? 0}`,
  }
}

/** IPv4 as the dual-stack listener of stock sees it, so that tools that read `auth.log` (fail2ban) find it. */
function mappedAddress(address: string): string {
  return isIPv4(address) ? `::ffff:${address}` : address
}

/** The caller of `request`. Errors: AUTHENTICATION_FAILED (401) after 3 s. */
export async function authenticate(auth: AuthContext, request: AuthRequest): Promise<Caller> {
  const delay = refusalDelay(auth.clock)
  const outcome = await identify(auth, request)
  if ('caller' in outcome) return outcome.caller
  const { reason } = outcome
  auth.log.failure({ peer: request.peer, reason })
  await delay()
  throw errors.AUTHENTICATION_FAILED({ reason, status: 401 })
}

async function identify(auth: AuthContext, request: AuthRequest): Promise<Outcome> {
  // A cookie takes precedence: a bad one is a failure even next to a valid token.
  const ticket = authCookie(request.cookies)
  if (ticket !== null) return await identifyByTicket(auth, request, ticket)
  const [, tokenid, secret] = SCHEME.exec(request.authorization ?? '') ?? []
  if (tokenid === undefined) return { reason: 'no authentication credentials provided.' }
  return await identifyByToken(auth, tokenid, secret)
}

async function identifyByTicket(
  auth: AuthContext,
  request: AuthRequest,
  text: string,
): Promise<Outcome> {
  const ticket = await verifyTicket(auth, text)
  if (!('userid' in ticket)) return ticket
  const { userid } = ticket
  if (!(await isActive(auth.files, userid))) {
    return { reason: 'user account disabled or expired.' }
  }
  if (request.method !== 'GET') {
    if (request.csrfToken === null) return { reason: 'missing CSRF prevention token' }
    const problem = await csrfProblem(auth, userid, request.csrfToken)
    if (problem !== null) return { reason: problem }
  }
  const caller = { authId: userid, user: userid, token: null, superuser: userid === SUPERUSER }
  return { caller }
}

async function identifyByToken(
  auth: AuthContext,
  tokenid: string,
  secret: string | undefined,
): Promise<Outcome> {
  const parts = parseTokenId(tokenid)
  if ('reason' in parts) return parts
  if (secret === undefined) return { reason: 'failed to parse authentication token' }
  if (!(await isActive(auth.files, tokenid))) {
    return { reason: 'user account or token disabled or expired.' }
  }
  const matches = await verifyTokenSecret(auth.files, tokenid, new Secret(decode(secret)))
  if (!matches) return { reason: 'invalid credentials' }
  return { caller: { authId: tokenid, ...parts, superuser: false } }
}

function parseTokenId(
  tokenid: string,
): { readonly user: string; readonly token: string } | { readonly reason: string } {
  try {
    const { user, token } = parseAuthId(tokenid)
    return token === null ? { reason: 'not an API token ID' } : { user, token }
  } catch (error) {
    if (!hasCode(error, 'AUTH_ID_INVALID')) throw error
    return { reason: 'not a valid user id' }
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
