/** `cairn datastore remove`. Source: spec cli 9.3, rest-api.md 4.9. */
import { silentLog } from '../../base/log.ts'
import { findDatastore } from '../../config/datastores.ts'
import { errors as configErrors } from '../../config/errors.ts'
import { openDatastores } from '../../server/open-datastores.ts'
import { removeDatastore } from '../../server/remove-datastore.ts'
import { command, flag, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import {
  digestParameter,
  openAdministration,
  placeParameters,
  runTask,
  SAFE_ID_RULES,
} from './administration.ts'

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
    const { files, fs, paths } = administration
    const { name, digest } = values
    if ((await findDatastore(files, name)) === null) throw configErrors.DATASTORE_MISSING({ name })
    const removal = {
      name,
      destroyData: values['destroy-data'],
      keepJobs: values['keep-job-configs'],
      digest,
    }
    // Stock says nothing when it succeeds; the task log has the lines.
    const task = { type: 'delete-datastore', id: name, isSilent: true }
    await runTask(administration, context, task, async (progress) => {
      const opened = await openDatastores(files, { log: silentLog })
      try {
        await removeDatastore({ fs, files, paths, ...opened }, removal, progress)
      } finally {
        await opened.close()
      }
    })
  },
})
