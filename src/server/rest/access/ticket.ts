/** `/access/ticket`: login, renewal, logout (rest-api §2.2). */
import type { Static } from 'typebox'
import { Secret } from '../../../base/secret.ts'
import { TicketParameters, TicketShape } from '../../../protocol/access.ts'
import { NO_PARAMETERS } from '../../../protocol/common.ts'
import { WORLD } from '../../../protocol/endpoint.ts'
import { authRequestOf } from '../../auth/authenticate.ts'
import { cookieOf, HOST_AUTH_COOKIE } from '../../auth/cookies.ts'
import { login } from '../../auth/login.ts'
import { EXPIRED_COOKIE } from '../../error-reply.ts'
import { jsonBytes, RawReply } from '../../reply.ts'
import { type Call, type Route, route } from '../../route.ts'

const COOKIE_ATTRIBUTES = 'Secure; SameSite=Lax; HttpOnly; Path=/;'

export const ticketRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/access/ticket',
    summary: 'Logs in with a password, or renews a ticket',
    parameters: TicketParameters,
    returns: TicketShape,
    permission: WORLD,
    run: create,
  }),
  route({
    method: 'DELETE',
    path: '/access/ticket',
    summary: 'Lets the browser forget its ticket',
    parameters: NO_PARAMETERS,
    returns: TicketShape,
    permission: WORLD,
    run: async () => new RawReply({ 'set-cookie': EXPIRED_COOKIE }, ticketBody({})),
  }),
]

async function create(
  parameters: Static<typeof TicketParameters>,
  { context, request }: Call,
): Promise<RawReply> {
  const { username, password, path, privs, port } = parameters
  const { cookies, peer } = authRequestOf(request)
  const httpOnly = parameters['http-only'] ?? false
  const { ticket, ticketInfo, csrfToken } = await login(context.auth, {
    username,
    password: password === undefined ? null : new Secret(password),
    httpOnly,
    cookie: cookieOf(cookies, HOST_AUTH_COOKIE),
    tfaChallenge: parameters['tfa-challenge'],
    isTerminal: path !== undefined && privs !== undefined && port !== undefined,
    peer,
  })
  const data = { username, CSRFPreventionToken: csrfToken }
  const headers = { 'content-type': 'application/json' }
  if (!httpOnly) return new RawReply(headers, ticketBody({ ...data, ticket }))
  const cookie = `${HOST_AUTH_COOKIE}=${ticket}; ${COOKIE_ATTRIBUTES}`
  const body = ticketBody({ ...data, 'ticket-info': ticketInfo })
  return new RawReply({ ...headers, 'set-cookie': cookie }, body)
}

/** The same envelope in both formats. */
function ticketBody(data: object): Uint8Array {
  return jsonBytes({ data, status: 200, success: true })
}
