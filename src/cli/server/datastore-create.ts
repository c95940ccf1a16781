/** `cairn datastore create`. Source: spec cli 9.3, rest-api.md 4.9. */
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { silentLog } from '../../base/log.ts'
import { checkAddDatastore } from '../../config/datastores.ts'
import { parseBackend } from '../../config/datastore-backend.ts'
import { readS3Endpoint } from '../../config/s3-endpoints.ts'
import { nodeName } from '../../server/compose.ts'
import { runCreation } from '../../server/create-datastore.ts'
import { openDatastores } from '../../server/open-datastores.ts'
import { command, flag, optional, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { makeAdministration, placeParameters, runTask, SAFE_ID_RULES } from './administration.ts'
import { datastoreProperties, storedProperties } from './datastore-properties.ts'
import { connectToLocalServer } from './running-server/local-server.ts'
import { runOnServer } from './running-server/server-task.ts'

export const createDatastoreCommand = command({
  path: 'datastore create',
  summary: 'Makes a datastore in a folder or a bucket, or takes over the one that is there.',
  positionals: ['name', 'path'],
  parameters: {
    name: text('Name of the datastore.', { ...SAFE_ID_RULES, lengthMin: 3, lengthMax: 32 }),
    path: text('Folder; of a datastore in a bucket that of its local copy and cache.', {
      lengthMin: 1,
      lengthMax: 4096,
    }),
    backend: optional(text('type=s3,client=ENDPOINT,bucket=NAME[,max-cache-size=SIZE].')),
    'reuse-datastore': flag('Take over the datastore that lies there already.', {
      byDefault: false,
    }),
    'overwrite-in-use': flag('Take over a bucket that another server has (S3 only).', {
      byDefault: false,
    }),
    ...datastoreProperties,
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const administration = await makeAdministration(values, context)
    const { files } = administration
    const { name, 'reuse-datastore': reuse, 'overwrite-in-use': overwriteInUse } = values
    const path = resolve(values.path)
    const properties = new Map(storedProperties(values))
    if (values.backend !== undefined) properties.set('backend', values.backend)
    await checkAddDatastore(files, { name, path: values.path })
    const backend = parseBackend(values.backend ?? '')
    if (backend.kind === 's3') {
      await readS3Endpoint(files, backend.endpointId)
      // A server that runs must be the only one to have it open.
      const connection = await connectToLocalServer(administration, context, name)
      if (connection !== null) {
        await using server = connection
        const options = { 'reuse-datastore': reuse, 'overwrite-in-use': overwriteInUse }
        const flags =
          values['verify-new'] === undefined ? {} : { 'verify-new': values['verify-new'] }
        const given = { ...Object.fromEntries(properties), ...flags, ...options }
        const parameters = { name, path, ...given }
        await runOnServer(server, context, { path: 'config/datastore', parameters })
        return
      }
    }
    const datastore = { name, path, reuse, overwriteInUse, properties }
    await runTask(administration, context, { type: 'create-datastore', id: name }, async (task) => {
      const opened = await openDatastores(files, { log: silentLog })
      const { fs } = administration
      const node = nodeName(hostname())
      try {
        await runCreation({ fs, files, log: silentLog, node, ...opened }, datastore, task)
      } finally {
        await opened.close()
      }
    })
  },
})
