/** CSRF tokens: `TIME:` base64(HMAC-SHA3-256(key, `TIME:userid:`)). Source: rest-api.md 2.4. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { unixSeconds } from '../../base/time/clock.ts'
import { type AuthContext, csrfKey } from './auth-context.ts'
import { isTimeInRange, ticketTime, withoutPadding } from './tickets.ts'

const FORMAT_PROBLEM = 'invalid csrf token - format error - wrong number of parts.'
const SIGNATURE_PROBLEM = 'invalid csrf token - invalid signature.'

/** A new token for `userid`, valid for two hours. */
export async function issueCsrfToken(auth: AuthContext, userid: string): Promise<string> {
  const time = ticketTime(unixSeconds(auth.clock))
  return `${time}:${withoutPadding(macOf(await csrfKey(auth), `${time}:${userid}:`))}`
}

/** Null if `token` is one of `userid`, else what is wrong with it (a reason for `auth.log`). */
export async function csrfProblem(
  auth: AuthContext,
  userid: string,
  token: string,
): Promise<string | null> {
  const [time, signature, ...rest] = token.split(':')
  if (time === undefined || signature === undefined || rest.length > 0) return FORMAT_PROBLEM
  const key = await csrfKey(auth)
  const text = `${time}:${userid}:`
  const isSigned =
    isSame(signature, withoutPadding(macOf(key, text))) ||
    isSame(signature, withoutPadding(olderMacOf(key, text)))
  return isSigned && isTimeInRange(time, unixSeconds(auth.clock)) ? null : SIGNATURE_PROBLEM
}

function macOf(key: Uint8Array, text: string): Buffer {
  return createHmac('sha3-256', key).update(text).digest()
}

/** The form of older servers; tokens of it are still accepted. */
function olderMacOf(key: Uint8Array, text: string): Buffer {
  return createHash('sha256').update(text).update(key).digest()
}

function isSame(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)]
  return a.length === b.length && timingSafeEqual(a, b)
}
