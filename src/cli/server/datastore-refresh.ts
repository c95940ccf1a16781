/** `cairn datastore s3-refresh`. Source: spec cli 9.1, datastore-semantics.md 19.6. */
import { hostname } from 'node:os'
import { silentLog } from '../../base/log.ts'
import { nodeName } from '../../server/compose.ts'
import { openDatastores } from '../../server/open-datastores.ts'
import { checkRefreshable, refreshDatastore } from '../../server/s3/refresh-datastore.ts'
import { command, flag, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { openAdministration, placeParameters, runTask, SAFE_ID_RULES } from './administration.ts'
import { connectToLocalServer } from './running-server/local-server.ts'
import { runOnServer } from './running-server/server-task.ts'

export const refreshDatastoreCommand = command({
  path: 'datastore s3-refresh',
  summary: 'Makes the local copy of a datastore anew from its bucket.',
  positionals: ['store'],
  parameters: {
    store: text('Name of the datastore.', { ...SAFE_ID_RULES, lengthMin: 3, lengthMax: 32 }),
    'overwrite-in-use': flag('Take over a bucket that another server has.', { byDefault: false }),
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const administration = await openAdministration(values, context)
    const { files } = administration
    const { store: name, 'overwrite-in-use': takesOver } = values
    await checkRefreshable(files, name)
    const connection = await connectToLocalServer(administration, context, name)
    if (connection !== null) {
      await using server = connection
      const path = `admin/datastore/${encodeURIComponent(name)}/s3-refresh`
      const parameters = takesOver ? { 'overwrite-in-use': true } : {}
      await runOnServer(server, context, { path, parameters, method: 'PUT' })
      return
    }
    await runTask(administration, context, { type: 's3-refresh', id: name }, async (task) => {
      const opened = await openDatastores(files, { log: silentLog })
      try {
        const node = nodeName(hostname())
        await refreshDatastore({ files, ...opened, node }, { name, takesOver }, task)
      } finally {
        await opened.close()
      }
    })
  },
})
