/** A whole server on port 0 with one datastore and one token, for tests of the session protocols. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import type { Log } from '../../src/base/log.ts'
import { silentProgress } from '../../src/base/progress.ts'
import { type Clock, systemClock } from '../../src/base/time/clock.ts'
import { updateAcl } from '../../src/config/acl.ts'
import { ConfigFiles } from '../../src/config/config-files.ts'
import { addDatastore } from '../../src/config/datastores.ts'
import { ensurePlaces, type Paths, resolvePaths } from '../../src/config/paths.ts'
import { generateToken } from '../../src/config/tokens.ts'
import { createUser } from '../../src/config/users.ts'
import { createDatastore } from '../../src/datastore/create.ts'
import { type RunningServer, startServer } from '../../src/server/server.ts'
import type { TlsTarget } from '../../src/transport/tls.ts'

const USER = 'admin@pbs'

export interface SessionServerOptions {
  /** Empty folder for everything; the caller removes it. */
  readonly folder: string
  /** Names of the datastores; `store1` by default. */
  readonly stores?: readonly string[]
  /** Properties of each datastore's section, such as `verify-new`. */
  readonly properties?: Readonly<Record<string, string>>
  readonly clock?: Clock
  /** Hears of the server's own failures; silent by default. */
  readonly log?: Log
}

export interface SessionServer {
  readonly target: TlsTarget
  readonly files: ConfigFiles
  readonly paths: Paths
  /** `Authorization` header of `admin@pbs!ref`, which may do everything. */
  readonly authorization: string
  storePath(name: string): string
  /** A token of a new user with `role` on `path`; its `Authorization` header. */
  grant(user: string, path: string, role: string): Promise<string>
  /** SIGTERM in small: ends the server; sessions get `graceMs`. */
  close(graceMs?: number): Promise<void>
}

/** Makes configuration and datastores below the folder, and starts a server. */
export async function openSessionServer(options: SessionServerOptions): Promise<SessionServer> {
  const { folder, stores = ['store1'] } = options
  const paths = resolvePaths({ data: join(folder, 'server') })
  const fs = nodeFileSystem
  await ensurePlaces(fs, paths)
  const files = new ConfigFiles({ fs, clock: systemClock, paths })
  const storePath = (name: string): string => join(folder, 'ds', name)
  await mkdir(join(folder, 'ds'), { recursive: true })
  for (const name of stores) {
    const path = storePath(name)
    const progress = silentProgress()
    await createDatastore(fs, { name, path, progress, chunkFolders: false })
    await addDatastore(files, {
      name,
      path,
      properties: new Map(Object.entries(options.properties ?? {})),
    })
  }
  const grant = async (user: string, path: string, role: string): Promise<string> => {
    await createUser(files, { userid: user })
    const { tokenid, secret } = await generateToken(files, { userid: user, name: 'ref' })
    for (const authId of [user, tokenid]) {
      await updateAcl(files, { path, role, authId, propagate: true, delete: false })
    }
    return `PBSAPIToken ${tokenid}:${secret.reveal()}`
  }
  const authorization = await grant(USER, '/', 'Admin')
  const clock = options.clock ?? impatientClock()
  const server = await startServer({
    paths,
    clock,
    host: '127.0.0.1',
    port: 0,
    keyBits: 2048,
    ...(options.log === undefined ? {} : { log: options.log }),
  })
  return describe(server, { files, paths, authorization, storePath, grant })
}

function describe(
  server: RunningServer,
  parts: Pick<SessionServer, 'files' | 'paths' | 'authorization' | 'storePath' | 'grant'>,
): SessionServer {
  const trust = { fingerprint: server.fingerprint }
  return {
    ...parts,
    target: { host: '127.0.0.1', port: server.port, trust },
    close: async (graceMs = 0) => await server.close({ graceMs }),
  }
}

/** The machine's clock, but the 3 s of a refusal are over at once. */
export function impatientClock(): Clock & { readonly refusals: number } {
  let refusals = 0
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic(),
    sleep: async (delayMs, signal) => {
      const isRefusal = delayMs > 2_000 && delayMs <= 3_000
      if (isRefusal) refusals += 1
      await systemClock.sleep(isRefusal ? 0 : delayMs, signal)
    },
    get refusals() {
      return refusals
    },
  }
}
