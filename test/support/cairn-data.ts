/** A data folder as a first start makes it, but quickly: a small certificate key, no empty chunk folders. */
import { mkdir, writeFile } from 'node:fs/promises'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { silentProgress } from '../../src/base/progress.ts'
import { Secret } from '../../src/base/secret.ts'
import { systemClock } from '../../src/base/time/clock.ts'
import { ConfigFiles } from '../../src/config/config-files.ts'
import { updateAcl } from '../../src/config/acl.ts'
import { FIRST_DATASTORE, FIRST_USER, firstStart } from '../../src/config/first-start.ts'
import { ensurePlaces, type Paths, resolvePaths } from '../../src/config/paths.ts'
import { generateToken } from '../../src/config/tokens.ts'
import { createDatastore } from '../../src/datastore/create.ts'
import { PASSWORD } from './cairn-process.ts'
import { testCertificate } from './certificate.ts'

export interface CairnData {
  /** The folder of everything. */
  readonly data: string
  readonly paths: Paths
  readonly files: ConfigFiles
  /** Auth id and secret of a token that may do everything: passwords are slow to check. */
  readonly token: { readonly id: string; readonly secret: string }
}

/** Makes `data` with the datastore `main` and the administrator `admin@pbs`. */
export async function prepareCairnData(data: string): Promise<CairnData> {
  const fs = nodeFileSystem
  await mkdir(data, { recursive: true })
  const paths = resolvePaths({ data })
  await ensurePlaces(fs, paths)
  await giveCertificate(paths.config)
  const files = new ConfigFiles({ fs, clock: systemClock, paths })
  await firstStart(files, {
    storePath: `${data}/${FIRST_DATASTORE}`,
    password: new Secret(PASSWORD),
    createStore: async (path) => {
      const progress = silentProgress()
      await createDatastore(fs, { name: FIRST_DATASTORE, path, progress, chunkFolders: false })
    },
  })
  const made = await generateToken(files, { userid: FIRST_USER, name: 'test' })
  const token = { id: made.tokenid, secret: made.secret.reveal() }
  await updateAcl(files, { path: '/', role: 'Admin', authId: token.id })
  return { data, paths, files, token }
}

/** Environment of a client of the server on `port` as the token. */
export function tokenEnvironment(
  { token }: Pick<CairnData, 'token'>,
  server: { readonly port: number; readonly fingerprint: string },
): Record<string, string> {
  return {
    PBS_REPOSITORY: `${token.id}@127.0.0.1:${server.port}:${FIRST_DATASTORE}`,
    PBS_PASSWORD: token.secret,
    PBS_FINGERPRINT: server.fingerprint,
  }
}

/** Puts a certificate into the configuration folder: making a key of 4096 bits takes seconds. */
export async function giveCertificate(folder: string): Promise<void> {
  const { keyPem, certificatePem } = await testCertificate()
  await mkdir(folder, { recursive: true })
  await writeFile(`${folder}/proxy.key`, keyPem, { mode: 0o640 })
  await writeFile(`${folder}/proxy.pem`, certificatePem, { mode: 0o640 })
}
