/** A data folder as a first start makes it, but quickly: a small certificate key, no empty chunk folders. */
import { mkdir, writeFile } from 'node:fs/promises'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { silentProgress } from '../../src/base/progress.ts'
import { Secret } from '../../src/base/secret.ts'
import { systemClock } from '../../src/base/time/clock.ts'
import { ConfigFiles } from '../../src/config/config-files.ts'
import { FIRST_DATASTORE, firstStart } from '../../src/config/first-start.ts'
import { ensurePlaces, type Paths, resolvePaths } from '../../src/config/paths.ts'
import { createDatastore } from '../../src/datastore/create.ts'
import { PASSWORD } from './cairn-process.ts'
import { testCertificate } from './certificate.ts'

/** Makes `data` with the datastore `main` and the administrator `admin@pbs`; the places in it. */
export async function prepareCairnData(data: string): Promise<Paths> {
  const fs = nodeFileSystem
  await mkdir(data, { recursive: true })
  const paths = resolvePaths({ data })
  await ensurePlaces(fs, paths)
  const { keyPem, certificatePem } = await testCertificate()
  await writeFile(`${paths.config}/proxy.key`, keyPem, { mode: 0o640 })
  await writeFile(`${paths.config}/proxy.pem`, certificatePem, { mode: 0o640 })
  await firstStart(new ConfigFiles({ fs, clock: systemClock, paths }), {
    storePath: `${data}/${FIRST_DATASTORE}`,
    password: new Secret(PASSWORD),
    createStore: async (path) => {
      const progress = silentProgress()
      await createDatastore(fs, { name: FIRST_DATASTORE, path, progress, chunkFolders: false })
    },
  })
  return paths
}
