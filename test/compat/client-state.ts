/**
 * The server and the machine that the client calls were recorded on: the recorded configuration,
 * copies of the golden datastore, our server over TLS, and a folder with `small`, `images`, `keys`.
 */
import { cpSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../src/base/time/clock.ts'
import { systemClock } from '../../src/base/time/clock.ts'
import { mknod } from '../../src/base/fs/native.ts'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { ConfigFiles } from '../../src/config/config-files.ts'
import { resolvePaths } from '../../src/config/paths.ts'
import { regenerateSecret } from '../../src/config/tokens.ts'
import { startServer } from '../../src/server/server.ts'
import { mergedEnvironment } from '../support/client-call.ts'
import { fixturePath, unpackFixture } from '../support/fixture-files.ts'
import {
  configWriter,
  prepareDatastores,
  prepareTasks,
  RECORDED_AT_MS,
  RECORDED_FOLDER,
  TOKEN_ID,
  VERSION,
} from './rest-state.ts'

/** `S_IFSOCK` and the recorded permissions. */
const SOCKET_MODE = 0o140755
/** Where the recorded server listened. */
const RECORDED_ADDRESS = '127.0.0.1:8007'

export interface ClientState {
  /** Working folder of the calls; stands for `RECORDED_FOLDER`. */
  readonly folder: string
  readonly clock: Clock
  /** The environment of a call with the recorded `changes`. */
  environment(changes: Readonly<Record<string, string | null>>): Readonly<Record<string, string>>
  /** What we print, as it would read on the recording machine. */
  asRecorded(text: string): string
  close(): Promise<void>
}

/** Prepares everything in two new folders and starts the server. */
export async function openClientState(folder: string, serverFolder: string): Promise<ClientState> {
  const clock = recordedClock()
  const paths = resolvePaths({ data: join(serverFolder, 'server') })
  mkdirSync(paths.config, { recursive: true })
  configWriter(serverFolder, paths.config)()
  await prepareDatastores(serverFolder)
  prepareTasks(paths.tasks)
  const files = new ConfigFiles({ fs: nodeFileSystem, clock, paths })
  const secret = (await regenerateSecret(files, TOKEN_ID)).reveal()
  prepareSources(folder)
  const server = await startServer({
    paths,
    clock,
    host: '127.0.0.1',
    port: 0,
    node: 'vm',
    version: VERSION,
  })
  const address = `127.0.0.1:${server.port}`
  const common = {
    HOME: join(folder, 'clihome'),
    XDG_RUNTIME_DIR: join(folder, 'clihome'),
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    PBS_REPOSITORY: `${TOKEN_ID}@${address}:fxgold`,
    // For calls that name the server by its parts.
    PBS_PORT: String(server.port),
    PBS_PASSWORD: secret,
    PBS_FINGERPRINT: server.fingerprint,
  }
  const ofOurs = (text: string | null) =>
    text === null ? null : text.replace(RECORDED_ADDRESS, address).replace('<token secret>', secret)
  return {
    folder,
    clock,
    environment: (changes) => {
      const entries = Object.entries(changes).map(([name, value]) => [name, ofOurs(value)] as const)
      return mergedEnvironment(common, Object.fromEntries(entries))
    },
    asRecorded: (text) =>
      text
        .replaceAll(address, RECORDED_ADDRESS)
        .replaceAll(serverFolder, RECORDED_FOLDER)
        .replaceAll(folder, RECORDED_FOLDER),
    close: async () => await server.close({ graceMs: 0 }),
  }
}

/** Time goes on from the recording's; the seconds that a refusal costs are over at once. */
function recordedClock(): Clock {
  const offsetMs = RECORDED_AT_MS - systemClock.now()
  return {
    now: () => systemClock.now() + offsetMs,
    monotonic: () => systemClock.monotonic(),
    sleep: async (delayMs, signal) => {
      const isRefusal = delayMs > 2000 && delayMs <= 3000
      await systemClock.sleep(isRefusal ? 0 : delayMs, signal)
    },
  }
}

function prepareSources(folder: string): void {
  for (const name of ['images', 'small', 'small-2']) {
    unpackFixture(name.replace('-2', ''), join(folder, name))
    // The archive of the recording has no place for sockets.
    if (name !== 'images') mknod(join(folder, name, 'socket'), SOCKET_MODE, 0)
  }
  writeFileSync(join(folder, 'small-2/empty'), 'changed\n')
  utimesSync(join(folder, 'small-2/empty'), 1_767_268_800, 1_767_268_800)
  cpSync(fixturePath('datastore', 'keys'), join(folder, 'keys'), { recursive: true })
  // As it was: its mode is what a recorded error is about.
  mkdirSync(join(folder, 'clihome'), { mode: 0o755 })
  mkdirSync(join(folder, 'clirestore2'))
  writeFileSync(join(folder, 'clirestore2/one-byte'), '')
  if (readdirSync(join(folder, 'keys')).length === 0) throw new Error('no keys')
}
