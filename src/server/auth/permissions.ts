/** What a caller may do, and the refusals of handlers that check it themselves. Source: rest-api.md 1.3, 3.3. */
import type { Secret } from '../../base/secret.ts'
import { privilegesOf } from '../../config/acl.ts'
import { ALL_PRIVILEGES, type PrivilegeName, privilegeBits } from '../../config/privileges.ts'
import type { AuthContext } from './auth-context.ts'
import type { Caller } from './authenticate.ts'
import { errors } from './errors.ts'
import { checkRealmPassword } from './realm-login.ts'
import { refusalDelay } from './refusal-delay.ts'

export interface PrivilegeOptions {
  /** One of the names is enough; by default all are needed. */
  readonly any?: boolean
}

/** The privileges of `caller` at `path`, as bits. */
export async function privilegesOfCaller(
  auth: AuthContext,
  caller: Caller,
  path: string,
): Promise<bigint> {
  if (caller.superuser) return ALL_PRIVILEGES
  return (await privilegesOf(auth.files, caller.authId, path)).privileges
}

/** Whether `caller` has `names` at `path`. */
export async function hasPrivilege(
  auth: AuthContext,
  caller: Caller,
  path: string,
  names: readonly PrivilegeName[],
  options: PrivilegeOptions = {},
): Promise<boolean> {
  const bits = privilegeBits(names)
  const present = (await privilegesOfCaller(auth, caller, path)) & bits
  return options.any === true ? present !== 0n : present === bits
}

/** Errors: MISSING_PERMISSIONS, 400 with stock's text. */
export async function checkPrivilege(
  auth: AuthContext,
  caller: Caller,
  path: string,
  names: readonly PrivilegeName[],
  options: PrivilegeOptions = {},
): Promise<void> {
  if (await hasPrivilege(auth, caller, path, names, options)) return
  const separator = options.any === true ? '|' : '&'
  throw errors.MISSING_PERMISSIONS({ path, names, separator, status: 400 })
}

/**
 * Has a caller who changes secrets prove himself again; `root@pam` need not.
 * Errors: PASSWORD_NOT_CONFIRMED (401) after 3 s.
 */
export async function confirmPassword(
  auth: AuthContext,
  caller: Caller,
  password: Secret | null,
): Promise<void> {
  if (caller.superuser) return
  const delay = refusalDelay(auth.clock)
  const reason = await confirmationProblem(auth, caller, password)
  if (reason === null) return
  await delay()
  throw errors.PASSWORD_NOT_CONFIRMED({ reason, status: 401 })
}

async function confirmationProblem(
  auth: AuthContext,
  caller: Caller,
  password: Secret | null,
): Promise<string | null> {
  if (password === null) return 'missing password'
  const outcome = await checkRealmPassword(auth, caller.user, password)
  switch (outcome.kind) {
    case 'accepted':
      return null
    case 'refused':
      return 'invalid credentials'
    case 'unsupported':
      return outcome.reason
    default:
      return outcome satisfies never
  }
}
