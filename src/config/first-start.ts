/**
 * What `npm start` makes when there is no configuration yet: one datastore and one administrator.
 *
 * Order: password, user, datastore, and the administrator's rights last: they mark the set-up as done, so that one
 * which was interrupted is finished by the next start.
 */
import { randomBytes } from 'node:crypto'
import { isSystemError } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import { ACL_FILE } from './acl-file.ts'
import { updateAcl } from './acl.ts'
import { SUPERUSER } from './auth-id.ts'
import type { ConfigFiles } from './config-files.ts'
import { addDatastore, findDatastore, listDatastores } from './datastores.ts'
import { setPassword } from './passwords.ts'
import { createUser, findUser, listUsers } from './users.ts'

export const FIRST_USER = 'admin@pbs'
export const FIRST_DATASTORE = 'main'

/** 15 bytes are 20 characters and 120 bits: more than anyone can guess, few enough to copy. */
const PASSWORD_BYTES = 15

export interface FirstStart {
  /** The password to print once; null if it was given, or if this is not the first start. */
  readonly generatedPassword: Secret | null
  readonly isFirst: boolean
}

export interface FirstStartOptions {
  /** Makes the chunk store of the first datastore in the folder `path`. */
  readonly createStore: (path: string) => Promise<void>
  /** Folder of the first datastore. */
  readonly storePath: string
  /** The administrator's password; absent = one is made. */
  readonly password?: Secret | undefined
}

/** Makes user, datastore and rights if no configuration says otherwise. */
export async function firstStart(
  files: ConfigFiles,
  options: FirstStartOptions,
): Promise<FirstStart> {
  if (!(await isUnconfigured(files))) return { generatedPassword: null, isFirst: false }
  const password = options.password ?? makePassword()
  await setPassword(files, FIRST_USER, password)
  if ((await findUser(files, FIRST_USER)) === null) {
    await createUser(files, { userid: FIRST_USER, comment: 'Administrator' })
  }
  if ((await findDatastore(files, FIRST_DATASTORE)) === null) {
    const datastore = { name: FIRST_DATASTORE, path: options.storePath }
    await addDatastore(files, datastore, () => options.createStore(options.storePath))
  }
  await updateAcl(files, { path: '/', role: 'Admin', authId: FIRST_USER })
  return { generatedPassword: options.password === undefined ? password : null, isFirst: true }
}

/** Neither we (who give rights last) nor a stock server (which has keys first of all) was ever set up here. */
async function isUnconfigured(files: ConfigFiles): Promise<boolean> {
  for (const file of [ACL_FILE, { name: 'authkey.key' }]) {
    if (await exists(files, file)) return false
  }
  return await isOurs(files)
}

async function exists(files: ConfigFiles, file: { readonly name: string }): Promise<boolean> {
  try {
    await files.fs.stat(files.pathOf(file))
    return true
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
}

/** A folder without `acl.cfg` that holds other users or datastores belongs to somebody else. */
async function isOurs(files: ConfigFiles): Promise<boolean> {
  const { users } = await listUsers(files)
  const { datastores } = await listDatastores(files)
  const strangers = users.filter(({ userid }) => userid !== SUPERUSER && userid !== FIRST_USER)
  return strangers.length === 0 && datastores.every(({ name }) => name === FIRST_DATASTORE)
}

function makePassword(): Secret {
  const text = randomBytes(PASSWORD_BYTES).toString('base64url')
  // Without characters that a command line or a double click takes for something else.
  return new Secret(text.replaceAll(/[-_]/g, 'x'))
}
