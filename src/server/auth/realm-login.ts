/** Checks a password by the realm of its user. Source: rest-api.md 2.2 (e), 2.7. */
import type { Secret } from '../../base/secret.ts'
import { splitAuthId } from '../../config/auth-id.ts'
import { checkPassword } from '../../config/passwords.ts'
import { findRealm } from '../../config/realms.ts'
import type { AuthContext } from './auth-context.ts'

export type PasswordOutcome =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly reason: string }
  /** The realm is not built yet: nobody may log in, and everybody may know why. */
  | { readonly kind: 'unsupported'; readonly reason: string }

/** Whether `password` is that of `userid`. */
export async function checkRealmPassword(
  auth: AuthContext,
  userid: string,
  password: Secret,
): Promise<PasswordOutcome> {
  const { realm: name } = splitAuthId(userid)
  const realm = await findRealm(auth.files, name)
  if (realm === null) return { kind: 'refused', reason: `unknown realm '${name}'` }
  if (realm.type !== 'pbs') {
    const reason = `login to realm '${name}' of type '${realm.type}' is not supported yet`
    return { kind: 'unsupported', reason }
  }
  const matches = await checkPassword(auth.files, userid, password)
  return matches ? { kind: 'accepted' } : { kind: 'refused', reason: 'invalid credentials' }
}
