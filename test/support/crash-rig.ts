/**
 * Rounds of "crash, start again, look": a datastore with a finished backup is copied, something is done to it by a
 * server that is stopped in the middle, and what is left must be whole. See docs/ordering.md.
 */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { FileSystem } from '../../src/base/fs/file-system.ts'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { silentLog } from '../../src/base/log.ts'
import { silentProgress } from '../../src/base/progress.ts'
import { systemClock } from '../../src/base/time/clock.ts'
import type { Connection } from '../../src/client/connection.ts'
import { storePath, upidOf } from '../../src/client/snapshots.ts'
import { ConfigFiles } from '../../src/config/config-files.ts'
import { FIRST_DATASTORE } from '../../src/config/first-start.ts'
import { resolvePaths } from '../../src/config/paths.ts'
import { DatastoreRegistry } from '../../src/datastore/registry.ts'
import { defaultSettings, type SyncLevel } from '../../src/datastore/settings.ts'
import { verifySnapshot } from '../../src/datastore/verify/verify-snapshot.ts'
import { formatBackupTime } from '../../src/formats/backup-time.ts'
import { ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import { startServer } from '../../src/server/server.ts'
import { type CairnData, prepareCairnData, tokenEnvironment } from './cairn-data.ts'
import { FaultFileSystem } from './fault-file-system.ts'
import { untilTaskEnds } from './running-tasks.ts'
import {
  backUpSmall,
  checkRestores,
  connectTo,
  listNumbers,
  type SmallBackup,
  snapshotOf,
} from './small-backups.ts'
import { UPID } from './test-store.ts'

/** The backup that is made after a crash, unless the test says another. */
const NEXT: SmallBackup = { number: 9 }

/** What may be found after a crash. */
export interface Expected {
  /** Backups that were answered as finished and not asked to be forgotten. */
  readonly there: readonly number[]
  /** The backup to make then; with the content of an interrupted one it meets that one's chunks. */
  readonly next?: SmallBackup
  /** What the backups hold that do not just hold their number. */
  readonly backups?: readonly SmallBackup[]
  /** Backups that may be there or not, but whole if they are. */
  readonly maybe?: readonly number[]
  /** For messages. */
  readonly step: string
  /** Of the server that looks; the machine's by default. */
  readonly fs?: FileSystem
}

/** A data folder with backup 1 finished and its server ended in order. */
export async function makeCrashData(
  folder: string,
  options: { readonly syncLevel?: SyncLevel; readonly tuning?: string } = {},
): Promise<CairnData> {
  const { tuning = `sync-level=${options.syncLevel ?? 'filesystem'},gc-grace=0` } = options
  const prepared = await prepareCairnData(folder)
  appendFileSync(join(prepared.paths.config, 'datastore.cfg'), `\ttuning ${tuning}\n`)
  await withServer(prepared, async (connection) => await backUpSmall(connection, { number: 1 }))
  return prepared
}

/** A copy of `template` in the new folder `folder`. Times stay: they say what is in doubt. */
export function copyData(template: CairnData, folder: string): CairnData {
  cpSync(template.data, folder, { recursive: true, preserveTimestamps: true })
  const paths = resolvePaths({ data: folder })
  const path = join(paths.config, 'datastore.cfg')
  const config = readFileSync(path, 'utf8')
  writeFileSync(path, config.replaceAll(template.data, folder))
  const files = new ConfigFiles({ fs: nodeFileSystem, clock: systemClock, paths })
  return { data: folder, paths, files, token: template.token }
}

/** Runs `use` against a server in this process; no threads, they would take longer than the round. */
export async function withServer<Result>(
  data: Pick<CairnData, 'paths' | 'token'>,
  use: (connection: Connection) => Promise<Result>,
  inner: FileSystem = nodeFileSystem,
): Promise<Result> {
  const { fs } = new FaultFileSystem(inner)
  const server = await startServer({ paths: data.paths, host: '127.0.0.1', port: 0, fs })
  try {
    await using connection = await connectTo(tokenEnvironment(data, server))
    return await use(connection)
  } finally {
    await server.close({ graceMs: 0 })
  }
}

/**
 * Starts a server on what is left and checks: what was answered is listed, whatever is listed is whole, nothing
 * unfinished stays, and the next backup works.
 */
export async function checkAfterCrash(data: CairnData, expected: Expected): Promise<number[]> {
  const { there, maybe = [], step, next = NEXT, backups = [], fs = nodeFileSystem } = expected
  try {
    const found = await withServer(
      data,
      async (connection) => {
        const numbers = await listNumbers(connection)
        assert.deepEqual(
          there.filter((number) => !numbers.includes(number)),
          [],
          'answered as finished, but gone',
        )
        const allowed = new Set([...there, ...maybe])
        assert.deepEqual(
          numbers.filter((number) => !allowed.has(number)),
          [],
          'never finished, but listed',
        )
        for (const number of numbers) {
          const known = backups.find((backup) => backup.number === number)
          await checkRestores(connection, known ?? { number })
        }
        checkNothingLeft(data, numbers)
        await backUpSmall(connection, next)
        // Without grace: what it takes for garbage is gone, and the checks below would miss it.
        await collectNow(connection)
        await checkRestores(connection, next)
        return numbers
      },
      fs,
    )
    await checkVerifies(data, [...found, next.number], fs)
    return found
  } catch (error) {
    throw new Error(`after ${step}`, { cause: error })
  }
}

async function collectNow(connection: Connection): Promise<void> {
  const { data } = await connection.post(storePath(connection, 'gc'), {})
  await untilTaskEnds(connection, upidOf(data))
}

/** Its files and nothing else. */
function checkNothingLeft(data: CairnData, numbers: readonly number[]): void {
  const group = join(data.data, FIRST_DATASTORE, 'host', 'web1')
  const names = numbers.map((number) => formatBackupTime(snapshotOf(number).time))
  const expected = numbers.length > 0 ? [...names, 'owner'] : []
  const found = existsSync(group) ? readdirSync(group).toSorted() : []
  // A group that was just made stays: its owner may have been set on purpose.
  if (numbers.length > 0) assert.deepEqual(found, expected.toSorted())
  else
    assert.deepEqual(
      found.filter((name) => name !== 'owner'),
      [],
    )
  for (const name of names) {
    const files = readdirSync(join(group, name)).toSorted()
    // Of a manifest that was about to be replaced: nobody reads it, it goes with the snapshot.
    const whole = files.filter((file) => !file.startsWith('index.json.blob.tmp_'))
    assert.deepEqual(whole, [
      'disk.img.fidx',
      'host.conf.blob',
      'index.json.blob',
      'root.pxar.didx',
    ])
  }
  const journal = join(data.paths.state, 'datastores', FIRST_DATASTORE, 'sessions')
  const entries = existsSync(journal) ? readdirSync(journal) : []
  assert.deepEqual(
    entries.filter((name) => name.endsWith('.json')),
    [],
    'journal entries',
  )
}

async function checkVerifies(
  data: CairnData,
  numbers: readonly number[],
  inner: FileSystem,
): Promise<void> {
  const { fs } = new FaultFileSystem(inner)
  const path = join(data.data, FIRST_DATASTORE)
  const registry = new DatastoreRegistry({
    fs,
    clock: systemClock,
    log: silentLog,
    paths: data.paths,
    settingsOf: async () => await Promise.resolve(defaultSettings(path)),
  })
  const store = await registry.lookup(FIRST_DATASTORE, 'write')
  for (const number of numbers) {
    const lines: string[] = []
    const progress = { ...silentProgress(), log: (line: string) => void lines.push(line) }
    const ref = snapshotOf(number)
    const { ok } = await verifySnapshot(store, ROOT_NAMESPACE, ref, { progress, upid: UPID })
    assert.ok(ok, lines.join('\n'))
  }
  await registry.close()
}
