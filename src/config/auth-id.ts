/** Parts of `user@realm` and `user@realm!token`, for ids that were validated where they came in. */

export interface AuthIdParts {
  /** `user@realm` */
  readonly userid: string
  /** The user's name without realm. */
  readonly name: string
  readonly realm: string
  readonly token: string | null
}

export const SUPERUSER = 'root@pam'

/** The parts of `authId`; the realm begins at the last `@`, the token name behind the next `!`. */
export function splitAuthId(authId: string): AuthIdParts {
  const at = authId.lastIndexOf('@')
  const bang = authId.indexOf('!', at + 1)
  const userid = bang < 0 ? authId : authId.slice(0, bang)
  return {
    userid,
    name: userid.slice(0, Math.max(at, 0)),
    realm: userid.slice(at + 1),
    token: bang < 0 ? null : authId.slice(bang + 1),
  }
}
