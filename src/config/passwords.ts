/** Passwords of the built-in realm `pbs`: `shadow.json`, by user name without realm. Source: rest-api.md 2.8. */
import type { Secret } from '../base/secret.ts'
import { splitAuthId } from './auth-id.ts'
import type { ConfigFiles } from './config-files.ts'
import { hashSecret, isOutdatedHash, matchesHash } from './crypt-hash.ts'
import { jsonFile, memberOf, withMembers } from './json-file.ts'

const SHADOW_FILE = jsonFile({ name: 'shadow.json', mode: 0o600, indent: 2 })

/**
 * Whether `password` is that of `userid` (realm `pbs`). A hash of an older kind is replaced after success.
 * Errors: PASSWORD_HASH_UNSUPPORTED.
 */
export async function checkPassword(
  files: ConfigFiles,
  userid: string,
  password: Secret,
): Promise<boolean> {
  const { value } = await files.read(SHADOW_FILE)
  const hash = memberOf(value, splitAuthId(userid).name)
  if (typeof hash !== 'string') return false
  if (!(await matchesHash(userid, password, hash))) return false
  // Where the file cannot be written, the older hash is still good: nobody is refused for it.
  if (isOutdatedHash(hash)) await setPassword(files, userid, password).catch(() => {})
  return true
}

/** Stores the hash of `password` for `userid` (realm `pbs`). */
export async function setPassword(
  files: ConfigFiles,
  userid: string,
  password: Secret,
): Promise<void> {
  const hash = await hashSecret(userid, password)
  await files.update(SHADOW_FILE, (value) =>
    withMembers(value, { [splitAuthId(userid).name]: hash }),
  )
}

/** Removes the password of `userid`, if there is one. */
export async function removePassword(files: ConfigFiles, userid: string): Promise<void> {
  const { name } = splitAuthId(userid)
  await files.update(SHADOW_FILE, (value) =>
    memberOf(value, name) === undefined ? value : withMembers(value, { [name]: undefined }),
  )
}
