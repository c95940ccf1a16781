/** `cairn datastore remove`. Source: spec cli 9.3, rest-api.md 4.9. */
import { hasCode } from '../../base/errors.ts'
import { removeDatastoreConfig } from '../../config/datastore-removal.ts'
import { findDatastore } from '../../config/datastores.ts'
import { errors as configErrors } from '../../config/errors.ts'
import { checkUnused, destroyDatastore } from '../../datastore/destroy.ts'
import { command, flag, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import {
  digestParameter,
  openAdministration,
  placeParameters,
  runTask,
  SAFE_ID_RULES,
} from './administration.ts'
import { errors } from './errors.ts'

export const removeDatastoreCommand = command({
  path: 'datastore remove',
  summary: 'Removes a datastore from the configuration, and its data if asked to.',
  positionals: ['name'],
  parameters: {
    name: text('Name of the datastore.', { ...SAFE_ID_RULES, lengthMin: 3, lengthMax: 32 }),
    'destroy-data': flag('Delete its data too.', { byDefault: false }),
    'keep-job-configs': flag('Keep jobs and rights that name it.', { byDefault: false }),
    digest: digestParameter,
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const administration = await openAdministration(values, context)
    const { files, fs } = administration
    const { name, digest } = values
    const datastore = await findDatastore(files, name)
    if (datastore === null) throw configErrors.DATASTORE_MISSING({ name })
    const { path } = datastore
    // Stock says nothing when it succeeds; the task log has the lines.
    const task = { type: 'delete-datastore', id: name, isSilent: true }
    await runTask(administration, context, task, async (progress) => {
      const whileClosed = async (): Promise<void> => {
        if (values['destroy-data']) await destroyDatastore(fs, path, progress)
        else await checkUnused(fs, path)
        progress.log('Removing datastore from config...')
      }
      const keepJobs = values['keep-job-configs']
      try {
        // First of all, so that a datastore in use stays in use.
        await checkUnused(fs, path)
        await removeDatastoreConfig(files, name, { keepJobs, digest, whileClosed })
      } catch (error) {
        if (!hasCode(error, 'PROCESS_LOCK_BUSY', 'PROCESS_LOCK_HELD')) throw error
        throw errors.DATASTORE_IN_USE({ name })
      }
    })
  },
})
