/**
 * Login with a password or an older ticket: `POST /access/ticket`. Every refusal takes 3 s and is told to `auth.log`;
 * a user who has second factors is refused with that reason as long as they cannot be checked.
 * Source: rest-api.md 2.2.
 */
import type { CairnError } from '../../base/errors.ts'
import { Secret } from '../../base/secret.ts'
import { hasSecondFactor } from '../../config/second-factors.ts'
import { isActive } from '../../config/users.ts'
import type { AuthContext } from './auth-context.ts'
import { issueCsrfToken } from './csrf.ts'
import { errors } from './errors.ts'
import { checkRealmPassword } from './realm-login.ts'
import { refusalDelay } from './refusal-delay.ts'
import { issueTicket, ticketInfo, verifyTicket } from './tickets.ts'

export interface LoginRequest {
  readonly username: string
  readonly password: Secret | null
  /** The ticket shall travel in a cookie only. */
  readonly httpOnly: boolean
  /** Value of the request's `__Host-` cookie; used with `httpOnly` only. */
  readonly cookie: string | null
  readonly tfaChallenge?: string | undefined
  /** Whether `path`, `privs` and `port` were all given: a terminal's ticket. */
  readonly isTerminal?: boolean
  /** Address and port for `auth.log`. */
  readonly peer: string
}

export interface Login {
  readonly username: string
  readonly ticket: string
  /** Ticket without signature, for a browser that must not see the ticket. */
  readonly ticketInfo: string
  readonly csrfToken: string
}

type Outcome = { readonly refusal: CairnError } | { readonly refusal: null }

const ACCEPTED: Outcome = { refusal: null }
const NO_SECOND_FACTORS = 'second factors are not supported yet'

/** Errors: NO_PASSWORD at once; LOGIN_FAILED, LOGIN_UNSUPPORTED (401) after 3 s. */
export async function login(auth: AuthContext, request: LoginRequest): Promise<Login> {
  const { username, peer } = request
  const cookie = request.httpOnly ? request.cookie : null
  if (request.password === null && cookie === null) throw errors.NO_PASSWORD({})
  const delay = refusalDelay(auth.clock)
  const { refusal } = await tryLogin(auth, request, cookie)
  if (refusal !== null) {
    auth.log.failure({ peer, user: username, reason: String(refusal.data['reason']) })
    await delay()
    throw refusal
  }
  auth.log.success(username)
  const ticket = await issueTicket(auth, username)
  const csrfToken = await issueCsrfToken(auth, username)
  return { username, ticket, ticketInfo: ticketInfo(ticket), csrfToken }
}

async function tryLogin(
  auth: AuthContext,
  request: LoginRequest,
  cookie: string | null,
): Promise<Outcome> {
  const { username, password } = request
  if (!(await isActive(auth.files, username))) {
    return failed('user account disabled or expired.')
  }
  if (request.tfaChallenge !== undefined) return unsupported(NO_SECOND_FACTORS)
  if (request.isTerminal === true) return unsupported('terminal tickets are not supported yet')
  if (cookie !== null) {
    const renewed = await tryRenewal(auth, username, cookie)
    if (renewed.refusal === null || password === null) return renewed
    auth.log.failure({
      peer: request.peer,
      user: username,
      reason: String(renewed.refusal.data['reason']),
    })
  } else if (password?.reveal().startsWith('PBS:') === true) {
    const ticket = await verifyTicket(auth, password.reveal())
    if ('userid' in ticket) return await tryRenewal(auth, username, password.reveal())
  }
  return await tryPassword(auth, username, password ?? new Secret(''))
}

async function tryRenewal(auth: AuthContext, username: string, text: string): Promise<Outcome> {
  const ticket = await verifyTicket(auth, text)
  if (!('userid' in ticket)) return failed(ticket.reason)
  return ticket.userid === username ? ACCEPTED : failed('ticket login failed - wrong userid')
}

async function tryPassword(
  auth: AuthContext,
  username: string,
  password: Secret,
): Promise<Outcome> {
  const outcome = await checkRealmPassword(auth, username, password)
  switch (outcome.kind) {
    case 'refused':
      return failed(outcome.reason)
    case 'unsupported':
      return unsupported(outcome.reason)
    case 'accepted':
      break
    default:
      return outcome satisfies never
  }
  if (!(await hasSecondFactor(auth.files, username))) return ACCEPTED
  return unsupported(`user '${username}' has a second factor, and ${NO_SECOND_FACTORS}`)
}

function failed(reason: string): Outcome {
  return { refusal: errors.LOGIN_FAILED({ reason, status: 401 }) }
}

function unsupported(reason: string): Outcome {
  return { refusal: errors.LOGIN_UNSUPPORTED({ reason, status: 401 }) }
}
