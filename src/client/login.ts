/** Who we are to a server: the headers of an API token, or of a ticket that is fetched and renewed. */
import type { AuthId } from '../formats/auth-id.ts'
import { formatAuthId } from '../formats/auth-id.ts'
import { unixSeconds } from '../base/time/clock.ts'
import type { OutgoingClient } from '../transport/outgoing.ts'
import { checkStatus, parseAnswer } from './answer.ts'
import { errors } from './errors.ts'
import type { ClientHost } from './host.ts'
import { readSecret } from './secrets.ts'
import { readTicket, storeTicket } from './ticket-cache.ts'

/** As stock renews them; tickets live two hours. */
const RENEW_AFTER_SECONDS = 15 * 60
/** The doubled slash is what stock sends. */
const LOGIN_PATH = '//api2/json/access/ticket'
const COOKIE = 'PBSAuthCookie'
const HTTP_ONLY_COOKIE = '__Host-PBSAuthCookie'
/** A partial ticket begins like this: the second factor is still to come. */
const CHALLENGE = 'PBS:!tfa!'

export type Headers = Readonly<Record<string, string>>

/** Gives the headers for the next request; logs in when the first ones are asked for. */
export interface Credentials {
  headers(signal?: AbortSignal): Promise<Headers>
}

/**
 * Credentials of `authId` from environment, ticket cache or a prompt.
 * @throws TOKEN_SECRET_MISSING, NO_PASSWORD_INPUT, SECRET_UNREADABLE
 */
export async function openCredentials(
  host: ClientHost,
  server: string,
  { authId, http }: { readonly authId: AuthId; readonly http: OutgoingClient },
): Promise<Credentials> {
  const password = await readSecret(host, 'PBS_PASSWORD')
  if (authId.token !== null) {
    if (password === null) throw errors.TOKEN_SECRET_MISSING({})
    const secret = encodeURIComponent(password)
    const authorization = `PBSAPIToken ${formatAuthId(authId)}:${secret}`
    return { headers: () => Promise.resolve({ authorization }) }
  }
  const cached = password === null ? await readTicket(host, server, authId.user) : null
  const known = password ?? cached?.ticket ?? (await askPassword(host, authId.user))
  return new TicketCredentials(host, { server, user: authId.user, http, password: known })
}

async function askPassword(host: ClientHost, user: string): Promise<string> {
  if (!host.prompt.isInteractive) throw errors.NO_PASSWORD_INPUT({})
  return await host.prompt.askSecret(`Password for "${user}": `)
}

interface Account {
  readonly server: string
  readonly user: string
  readonly http: OutgoingClient
  readonly password: string
}

interface Login {
  readonly headers: Headers
  readonly ticket: string
  readonly at: number
}

class TicketCredentials implements Credentials {
  readonly #host: ClientHost
  readonly #account: Account
  #login: Promise<Login> | null = null

  constructor(host: ClientHost, account: Account) {
    this.#host = host
    this.#account = account
  }

  async headers(signal?: AbortSignal): Promise<Headers> {
    this.#login ??= this.#fetch(this.#account.password, signal)
    const login = await this.#login
    const age = unixSeconds(this.#host.clock) - login.at
    if (age < RENEW_AFTER_SECONDS) return login.headers
    // The old ticket is its own password; if that fails it may still be good for this request.
    this.#login = this.#fetch(login.ticket, signal).catch(() => login)
    return (await this.#login).headers
  }

  async #fetch(password: string, signal: AbortSignal | undefined): Promise<Login> {
    const { http, user, server } = this.#account
    const answer = await http.request({
      method: 'POST',
      path: LOGIN_PATH,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify({ username: user, password })),
      signal,
    })
    checkStatus(answer.status, answer.body)
    const data = parseAnswer(answer.body)['data']
    const inBody = member(data, 'ticket')
    const inCookie = httpOnlyTicket(answer.headers['set-cookie'])
    const ticket = inCookie ?? inBody
    const csrf = member(data, 'CSRFPreventionToken')
    if (inBody?.startsWith(CHALLENGE) === true) throw errors.SECOND_FACTOR_REQUIRED({ user })
    if (ticket === null || csrf === null) {
      throw errors.ANSWER_INVALID({
        reason: 'Cannot read the answer to the login: no ticket in it',
      })
    }
    const name = inCookie === null ? COOKIE : HTTP_ONLY_COOKIE
    const cookie = `${name}=${encodeURIComponent(ticket)}`
    await storeTicket(this.#host, { server, user }, { ticket, token: csrf })
    const at = unixSeconds(this.#host.clock)
    return { headers: { cookie, csrfpreventiontoken: csrf }, ticket, at }
  }
}

function member(data: unknown, name: string): string | null {
  if (typeof data !== 'object' || data === null) return null
  const value: unknown = Reflect.get(data, name)
  return typeof value === 'string' ? value : null
}

function httpOnlyTicket(header: string | string[] | undefined): string | null {
  const cookies = header === undefined ? [] : [header].flat()
  for (const cookie of cookies) {
    const [pair = ''] = cookie.split(';')
    const value = pair.slice(HTTP_ONLY_COOKIE.length + 1)
    if (pair.startsWith(`${HTTP_ONLY_COOKIE}=`) && value !== '') return decodeURIComponent(value)
  }
  return null
}
