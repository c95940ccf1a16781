/** Creating and removing a datastore as tasks (rest-api §4.9, side effects). */
import { CairnError } from '../../../base/errors.ts'
import type { Progress } from '../../../base/progress.ts'
import { removeAclSubtree } from '../../../config/acl.ts'
import {
  addDatastore,
  changeDatastore,
  findDatastore,
  removeDatastore,
} from '../../../config/datastores.ts'
import { createDatastore } from '../../../datastore/create.ts'
import { checkUnused, destroyDatastore } from '../../../datastore/destroy.ts'
import type { ServerContext } from '../../context.ts'

export interface NewDatastore {
  readonly name: string
  readonly path: string
  readonly reuse: boolean
  readonly properties: ReadonlyMap<string, string>
}

/** Makes the folder and adds the section, under the lock of the configuration. */
export async function runCreation(
  { files, fs }: ServerContext,
  { name, path, reuse, properties }: NewDatastore,
  progress: Progress,
): Promise<void> {
  // A folder that is taken over keeps its owner.
  const owner = reuse ? undefined : await files.newFileOwner()
  await addDatastore(files, { name, path, properties }, async () => {
    await createDatastore(fs, { name, path, reuse, progress, owner })
  })
}

export interface Removal {
  readonly name: string
  readonly destroyData: boolean
  readonly keepJobConfigs: boolean
}

/**
 * Takes the datastore out of use, out of the configuration, and with `destroyData` off the disk.
 * Nothing is removed while somebody works on it: the mode `delete` keeps new work away first.
 */
export async function runRemoval(
  context: ServerContext,
  { name, destroyData, keepJobConfigs }: Removal,
  progress: Progress,
): Promise<void> {
  const { files, fs } = context
  const config = await findDatastore(files, name)
  if (config === null) return
  await changeDatastore(files, name, { set: new Map([['maintenance-mode', 'delete']]) })
  try {
    const { read, write } = await context.operations.totals(name)
    if (read + write > 0) throw inUse(name)
    await checkUnused(fs, config.path)
  } catch (error) {
    // Nothing was touched yet: the datastore goes on as it was.
    await restoreMaintenance(context, name, config.raw.get('maintenance-mode'))
    throw error
  }
  progress.log('Removing datastore from config...')
  await removeDatastore(files, name)
  if (!keepJobConfigs) await removeAclSubtree(files, `/datastore/${name}`)
  if (destroyData) await destroyDatastore(fs, config.path, progress)
}

async function restoreMaintenance(
  { files }: ServerContext,
  name: string,
  before: string | undefined,
): Promise<void> {
  // The mode `delete` cannot be changed by callers: the section is written anew.
  const config = await findDatastore(files, name)
  if (config === null) return
  const properties = new Map(config.raw)
  properties.delete('path')
  if (before === undefined) properties.delete('maintenance-mode')
  else properties.set('maintenance-mode', before)
  await removeDatastore(files, name)
  await addDatastore(files, { name, path: config.path, properties })
}

function inUse(store: string): CairnError {
  return new CairnError('datastore is currently in use', {
    kind: 'Conflict',
    code: 'DATASTORE_IN_USE',
    data: { store },
  })
}
