/** Who did something: a user of a realm, or a token of such a user (formats.md 9.4, rest-api.md 1.6). */
import { errors } from './errors.ts'
import { SAFE_ID, SAFE_ID_SOURCE } from './safe-id.ts'

declare const brand: unique symbol

/** `user@realm`. */
export type Userid = string & { readonly [brand]: 'Userid' }
/** The part after `!` of a token's id. */
export type Tokenname = string & { readonly [brand]: 'Tokenname' }
/** `user@realm` or `user@realm!token`. */
export type AuthIdText = string & { readonly [brand]: 'AuthIdText' | 'Userid' }

export interface AuthId {
  readonly user: Userid
  readonly token: Tokenname | null
}

/** Characters of a user or auth id; checked by the API's schemas, not here. */
export const AUTH_ID_LENGTH_MIN = 3
export const AUTH_ID_LENGTH_MAX = 64

const NAME_SOURCE = String.raw`[^\s:/\x00-\x1f\x7f]+`
// Realm and token hold no '@' and no '!', so both patterns split in one way only: at the last '@'.
export const USERID = new RegExp(`^${NAME_SOURCE}@${SAFE_ID_SOURCE}$`)
export const AUTH_ID = new RegExp(`^(${NAME_SOURCE}@${SAFE_ID_SOURCE})(?:!(${SAFE_ID_SOURCE}))?$`)

/** Throws AUTH_ID_INVALID. */
export function parseAuthId(text: string): AuthId {
  const match = AUTH_ID.exec(text)
  if (match === null) throw errors.AUTH_ID_INVALID({ text })
  const [, user, token] = match
  return { user: user as Userid, token: token === undefined ? null : (token as Tokenname) }
}

export function formatAuthId(authId: AuthId): AuthIdText {
  return (authId.token === null ? authId.user : `${authId.user}!${authId.token}`) as AuthIdText
}

/** Checks `text` and gives it its type; throws AUTH_ID_INVALID. */
export function authIdText(text: string): AuthIdText {
  return formatAuthId(parseAuthId(text))
}

/** Throws USERID_INVALID, also for the id of a token. */
export function parseUserid(text: string): Userid {
  if (!USERID.test(text)) throw errors.USERID_INVALID({ text })
  return text as Userid
}

/** Throws TOKEN_NAME_INVALID. */
export function parseTokenname(text: string): Tokenname {
  if (!SAFE_ID.test(text)) throw errors.TOKEN_NAME_INVALID({ text })
  return text as Tokenname
}

/** `user` and `realm` of a user id: split at the last `@`. */
export function splitUserid(user: Userid): { readonly name: string; readonly realm: string } {
  const at = user.lastIndexOf('@')
  return { name: user.slice(0, at), realm: user.slice(at + 1) }
}
