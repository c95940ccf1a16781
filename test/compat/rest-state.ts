/**
 * The state that the REST recordings were made in (fixtures README, "rest/"): its configuration,
 * copies of the golden datastore, its task logs, and a clock that stands at the recording's time.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import type { Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../src/base/time/clock.ts'
import { resolvePaths } from '../../src/config/paths.ts'
import { regenerateSecret } from '../../src/config/tokens.ts'
import { type App, createApp } from '../../src/server/app.ts'
import { type Composition, compose } from '../../src/server/compose.ts'
import type { ServerContext } from '../../src/server/context.ts'
import { ROUTES } from '../../src/server/rest/routes.ts'
import { registerSessions } from '../../src/server/sessions.ts'
import { MemoryBuckets } from '../support/memory-buckets.ts'
import { openGoldenStore } from '../support/golden-datastore.ts'

const FIXTURES = join(import.meta.dirname, '..', 'fixtures')
export const RECORDED_FOLDER = '/<work____>'
export const TOKEN_ID = 'admin@pbs!ref'
/** What the stock server of the recording said it is. */
export const VERSION = {
  version: '4.2',
  release: '3',
  repoid: 'bc863d45e7fbadb3690143613ea70600535f23a1',
}
export const RECORDED_AT_MS = Date.UTC(2026, 10, 21, 10, 27, 0)

export interface RestState {
  readonly context: ServerContext
  readonly port: number
  /** Stands for `RECORDED_FOLDER`. */
  readonly folder: string
  /** Puts the recorded configuration back; `edit` may change the text of a file. */
  resetConfig(edit?: (name: string, text: string) => string): void
  /** A valid secret of `TOKEN_ID`, as long as the configuration is not reset. */
  tokenSecret(): Promise<string>
  /** Milliseconds that were asked to be waited since the last call. */
  takeSleptMs(): number
  close(): Promise<void>
}

/** Starts a server without TLS on a free port. */
export async function openRestState(): Promise<RestState> {
  const folder = mkdtempSync(join(memoryFolder(), 'cairn-rest-'))
  const paths = resolvePaths({ data: join(folder, 'server') })
  mkdirSync(paths.config, { recursive: true })
  const resetConfig = configWriter(folder, paths.config)
  resetConfig()
  await prepareDatastores(folder)
  prepareTasks(paths.tasks)
  const clock = new RecordedClock()
  const composition = await compose(
    {
      paths,
      clock,
      node: 'vm',
      version: VERSION,
      fingerprint: 'a5'.repeat(32),
      buckets: new MemoryBuckets(['pbsref', 'fxbucket']),
    },
    () => {},
  )
  const handleFirst = registerSessions(composition.context).handleRequest
  const app = await createApp(composition.context, { routes: ROUTES, handleFirst })
  const port = await listen(app.httpServer)
  return {
    context: composition.context,
    port,
    folder,
    resetConfig,
    tokenSecret: async () => (await regenerateSecret(composition.context.files, TOKEN_ID)).reveal(),
    takeSleptMs: () => clock.takeSleptMs(),
    close: async () => await close({ app, composition, folder }),
  }
}

/**
 * Time goes on from the recording's. Who sleeps wakes at once and finds that the time is over, so
 * that a refusal costs nothing.
 */
class RecordedClock implements Clock {
  #sleptMs = 0
  #takenMs = 0

  now(): number {
    return RECORDED_AT_MS + this.monotonic()
  }

  monotonic(): number {
    return performance.now() + this.#sleptMs
  }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    this.#sleptMs += delayMs
    await new Promise((resolve) => setImmediate(resolve))
  }

  takeSleptMs(): number {
    const taken = this.#sleptMs - this.#takenMs
    this.#takenMs = this.#sleptMs
    return taken
  }
}

/** Copies the recorded configuration into `target`, for places below `folder`. */
export function configWriter(folder: string, target: string): RestState['resetConfig'] {
  const source = join(FIXTURES, 'config')
  return (edit = (_name, text) => text) => {
    for (const name of readdirSync(source)) {
      if (name === 'MODES.txt' || statSync(join(source, name)).isDirectory()) continue
      const text = readFileSync(join(source, name), 'utf8').replaceAll(RECORDED_FOLDER, folder)
      writeFileSync(join(target, name), edit(name, text), { mode: 0o600 })
    }
  }
}

/** The datastores that the configuration names, below `folder`. */
export async function prepareDatastores(folder: string): Promise<void> {
  const golden = await openGoldenStore({ chunkFolders: false })
  for (const name of ['fxgold', 'fxrest']) {
    cpSync(golden, join(folder, 'ds', name), { recursive: true, preserveTimestamps: true })
  }
  for (const name of ['fxsess', 'fxempty']) {
    mkdirSync(join(folder, 'ds', name, '.chunks'), { recursive: true })
    writeFileSync(join(folder, 'ds', name, '.lock'), '')
  }
}

/** Logs under their UPIDs and the archive, as in the log folder of the recording. */
export function prepareTasks(target: string): void {
  const source = join(FIXTURES, 'tasks')
  const index = JSON.parse(readFileSync(join(source, 'index.json'), 'utf8')) as readonly {
    readonly log: string
    readonly upid: string
    readonly folder: string
  }[]
  mkdirSync(target, { recursive: true })
  cpSync(join(source, 'archive'), join(target, 'archive'))
  for (const { log, upid, folder } of index) {
    mkdirSync(join(target, folder), { recursive: true })
    cpSync(join(source, log), join(target, folder, upid))
  }
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

async function close(parts: {
  readonly app: App
  readonly composition: Composition
  readonly folder: string
}): Promise<void> {
  const { app, composition, folder } = parts
  const ended = new Promise((resolve) => app.httpServer.close(resolve))
  app.httpServer.closeAllConnections()
  await ended
  await app.fastify.close()
  await composition.close()
  rmSync(folder, { recursive: true, force: true })
}

function memoryFolder(): string {
  try {
    return statSync('/dev/shm').isDirectory() ? '/dev/shm' : tmpdir()
  } catch {
    return tmpdir()
  }
}
