/**
 * Removal of users and tokens with all that belongs to them. Order: the entry that lets somebody in goes first, then
 * rights and secrets; a crash in between leaves only what no longer means anything. Source: rest-api.md 4.2.
 */
import { removeAclOf } from './acl.ts'
import { SUPERUSER, splitAuthId } from './auth-id.ts'
import type { ConfigFiles } from './config-files.ts'
import { errors } from './errors.ts'
import { removePassword } from './passwords.ts'
import { removeFactors } from './second-factors.ts'
import { findSection, removeSection, type SectionConfig, sectionsOf } from './section-config.ts'
import { USER_FILE } from './section-file.ts'
import { deleteToken, forgetSecret } from './tokens.ts'

interface RemovalOptions {
  readonly digest?: string | undefined
}

/**
 * Removes a user with password, factors and tokens; its own ACL entries stay, as on stock. Of `root@pam` only the
 * stored section goes. Errors: USER_MISSING, CONFIG_MODIFIED.
 */
export async function removeUser(
  files: ConfigFiles,
  userid: string,
  options: RemovalOptions = {},
): Promise<void> {
  let tokens: readonly string[] = []
  const remove = (config: SectionConfig): SectionConfig => {
    const isStored = findSection(config, 'user', userid) !== null
    if (!isStored && userid !== SUPERUSER) throw errors.USER_MISSING({ userid, status: 400 })
    tokens = userid === SUPERUSER ? [] : tokensOf(config, userid)
    const withoutUser = removeSection(config, { type: 'user', id: userid })
    return tokens.reduce((left, id) => removeSection(left, { type: 'token', id }), withoutUser)
  }
  await files.update(USER_FILE, remove, options)
  for (const tokenid of tokens) {
    await removeAclOf(files, tokenid)
    await forgetSecret(files, tokenid)
  }
  if (userid === SUPERUSER) return
  if (splitAuthId(userid).realm === 'pbs') await removePassword(files, userid)
  await removeFactors(files, userid)
}

/** Removes a token with its secret and ACL entries. Errors: TOKEN_MISSING, CONFIG_MODIFIED. */
export async function removeToken(
  files: ConfigFiles,
  tokenid: string,
  options: RemovalOptions = {},
): Promise<void> {
  await deleteToken(files, tokenid, options)
  await removeAclOf(files, tokenid)
}

function tokensOf(config: SectionConfig, userid: string): string[] {
  const sections = sectionsOf(config, 'token')
  return sections.map(({ id }) => id).filter((id) => splitAuthId(id).userid === userid)
}
