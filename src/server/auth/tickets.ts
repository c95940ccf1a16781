/**
 * Login tickets: `PBS:` user `:` time `::` signature, in the form that stock makes and clients take apart.
 * Source: rest-api.md 2.3.
 */
import { type KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import { isUtf8 } from 'node:buffer'
import { unixSeconds } from '../../base/time/clock.ts'
import { type AuthContext, ticketPublicKey, ticketSigningKey } from './auth-context.ts'

const PREFIX = 'PBS'
/** Accepted age in seconds; negative for clocks that differ. */
const AGE_MIN_S = -300
const AGE_MAX_S = 7200
/** A user id has 64 characters at most, an RSA signature 684; more is no ticket. */
const TICKET_LENGTH_MAX = 4096
/** Sums of parts: prefix, data, time, empty, signature. */
const PART_COUNT = 5

const signAsync = promisify(
  (
    algorithm: string | null,
    data: Uint8Array,
    key: KeyObject,
    done: (error: Error | null, signature: Buffer) => void,
  ) => sign(algorithm, data, key, done),
)
const verifyAsync = promisify(
  (
    options: { readonly algorithm: string | null; readonly data: Uint8Array },
    key: KeyObject,
    signature: Uint8Array,
    done: (error: Error | null, matches: boolean) => void,
  ) => verify(options.algorithm, options.data, key, signature, done),
)

/** A new ticket for `userid`, valid for two hours, or less if `lifetimeS` (seconds) says so. */
export async function issueTicket(
  auth: AuthContext,
  userid: string,
  { lifetimeS = AGE_MAX_S }: { readonly lifetimeS?: number } = {},
): Promise<string> {
  // Who verifies knows one age only: a ticket that is to live shorter is born older.
  const time = ticketTime(unixSeconds(auth.clock) - (AGE_MAX_S - Math.min(lifetimeS, AGE_MAX_S)))
  const signed = `${PREFIX}:${encodeData(userid)}:${time}`
  const key = await ticketSigningKey(auth)
  const signature = await signAsync(algorithmOf(key), Buffer.from(signed), key)
  return `${signed}::${withoutPadding(signature)}`
}

/** The user of a valid ticket, or why it is none (a reason for `auth.log`). */
export async function verifyTicket(
  auth: AuthContext,
  ticket: string,
): Promise<{ readonly userid: string } | { readonly reason: string }> {
  const parts = ticket.length > TICKET_LENGTH_MAX ? [] : ticket.split(':')
  const [prefix, data, time, empty, signature] = parts
  if (parts.length !== PART_COUNT || prefix !== PREFIX || empty !== '') {
    return { reason: 'ticket with invalid signature' }
  }
  if (data === undefined || data === '') return { reason: 'ticket without data' }
  const userid = decodeData(data)
  const isTimely = isTimeInRange(time ?? '', unixSeconds(auth.clock))
  if (userid === null || !isTimely) return { reason: 'ticket with invalid signature' }
  const key = await ticketPublicKey(auth)
  const signed = { algorithm: algorithmOf(key), data: Buffer.from(`${prefix}:${data}:${time}`) }
  const bytes = Buffer.from(signature ?? '', 'base64')
  if (withoutPadding(bytes) !== signature || !(await verifyAsync(signed, key, bytes))) {
    return { reason: 'ticket with invalid signature' }
  }
  // A challenge of a second factor is signed with more data and never gets here; its name is refused all the same.
  return userid.startsWith('!') ? { reason: 'ticket with invalid signature' } : { userid }
}

/** What a browser may know of its ticket when the ticket itself is in a cookie. */
export function ticketInfo(ticket: string): string {
  const [prefix = '', data = '', time = ''] = ticket.split(':')
  return `${prefix}:${data}:${time}::ticketinfo`
}

/** Unix seconds as tickets and CSRF tokens write them. */
export function ticketTime(seconds: number): string {
  return seconds.toString(16).toUpperCase().padStart(8, '0')
}

/** Whether the time of a ticket or CSRF token lies in the accepted window. */
export function isTimeInRange(time: string, nowSeconds: number): boolean {
  if (!/^[0-9A-Fa-f]{8}$/.test(time)) return false
  const age = nowSeconds - Number.parseInt(time, 16)
  return age >= AGE_MIN_S && age <= AGE_MAX_S
}

/** Base 64 without padding. */
export function withoutPadding(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('=', '')
}

/** Ed25519 signs the data itself; RSA (older installations) with SHA-256. */
function algorithmOf(key: KeyObject): string | null {
  return key.asymmetricKeyType === 'ed25519' ? null : 'sha256'
}

/**
 * Stock leaves `%` as it is, so that its ticket for the user `a%41` reads as one for `aA`. We encode it too, and
 * accept no escape that neither of us writes.
 */
function encodeData(data: string): string {
  let text = ''
  for (const byte of Buffer.from(data)) {
    const isPlain = byte > 0x1f && byte < 0x7f && byte !== 0x3a && byte !== 0x25
    text += isPlain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return text
}

function decodeData(text: string): string | null {
  if (/%(?!(?:[01][0-9A-F]|7F|3A|25|[89A-F][0-9A-F]))/i.test(text)) return null
  const bytes = Buffer.from(
    text.replaceAll(/%([0-9A-F]{2})/gi, (_escape, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    ),
    'latin1',
  )
  return isUtf8(bytes) ? bytes.toString('utf8') : null
}
