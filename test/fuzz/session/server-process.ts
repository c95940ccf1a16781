/**
 * The server that session calls are fuzzed against, in a process of its own: a crash or a standstill is
 * the server's then. Asked by a message, it says what it holds.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeFileSystem } from '../../../src/base/fs/node-file-system.ts'
import { type Log, silentLog } from '../../../src/base/log.ts'
import { systemClock } from '../../../src/base/time/clock.ts'
import type { Datastore } from '../../../src/datastore/datastore.ts'
import { findUnfinished } from '../../../src/datastore/recovery.ts'
import { DatastoreRegistry } from '../../../src/datastore/registry.ts'
import { defaultSettings } from '../../../src/datastore/settings.ts'
import { openSessionServer } from '../../support/session-server.ts'

/** For sessions, and for REST calls, which may remove what they like there. */
export const STORES = ['store1', 'store2'] as const

/** Where the server is and who may call it. */
export interface ServerGreeting {
  readonly kind: 'greeting'
  readonly port: number
  readonly fingerprint: string
  /** May do everything. */
  readonly authorization: string
  /** May do everything with `store2` and nothing else. */
  readonly restAuthorization: string
}

/** What the server holds at this moment. */
export interface ServerReport {
  readonly kind: 'report'
  /** Bytes resident. */
  readonly rss: number
  readonly descriptorCount: number
  readonly sessionCount: number
  /** Digests being uploaded. */
  readonly gateSize: number
  readonly journalSize: number
  /** Process, group, snapshot and manifest locks that somebody has. */
  readonly locks: readonly string[]
  /** Snapshots without a manifest, temporary and hidden files. */
  readonly leftovers: readonly string[]
  /** What the server logged as its own failure since the last report. */
  readonly failures: readonly string[]
}

const failures: string[] = []
const log: Log = {
  ...silentLog,
  error: (message, fields) => failures.push(`${message} ${JSON.stringify(fields)}`),
}
const [folder = ''] = process.argv.slice(2)
const server = await openSessionServer({ folder, stores: STORES, log })
const { port, trust } = server.target
// A second look at the same stores; read-only, so that it recovers nothing by itself.
const registry = new DatastoreRegistry({
  fs: nodeFileSystem,
  clock: systemClock,
  log: silentLog,
  paths: server.paths,
  settingsOf: async (name) => ({
    ...defaultSettings(server.storePath(name)),
    maintenance: { type: 'read-only', message: '' },
  }),
})
process.on('message', () => void report().then((answer) => process.send?.(answer)))
process.on('disconnect', () => process.exit())
process.send?.({
  kind: 'greeting',
  port,
  fingerprint: trust.fingerprint ?? '',
  authorization: server.authorization,
  restAuthorization: await server.grant('fuzz@pbs', '/datastore/store2', 'DatastoreAdmin'),
} satisfies ServerGreeting)

async function report(): Promise<ServerReport> {
  const stores = await Promise.all(STORES.map((name) => registry.lookup(name, 'read')))
  const sum = (count: (store: Datastore) => number): number =>
    stores.map(count).reduce((total, one) => total + one, 0)
  const journals = await Promise.all(stores.map(({ core }) => core.journal.list()))
  const locked = stores.filter(({ core }) => core.processLock.sharedCount > 0)
  const leftovers = await Promise.all(stores.map(findLeftovers))
  return {
    kind: 'report',
    rss: process.memoryUsage.rss(),
    descriptorCount: (await readdir('/proc/self/fd')).length,
    sessionCount: sum(({ core }) => core.sessions.count),
    gateSize: sum(({ core }) => core.gate.size),
    journalSize: journals.flat().length,
    locks: [...locked.map(({ path }) => `${path}/.lock`), ...(await busyLocks())],
    leftovers: leftovers.flat(),
    failures: failures.splice(0),
  }
}

async function busyLocks(): Promise<string[]> {
  const busy: string[] = []
  for (const path of await listFiles(server.paths.locks)) {
    const handle = await nodeFileSystem.open(path, 'write').catch(() => null)
    // A lock that was removed meanwhile is nobody's.
    if (handle === null) continue
    if (!handle.tryLock('flock', 'exclusive')) busy.push(path)
    await handle.close()
  }
  return busy
}

async function findLeftovers(store: Datastore): Promise<string[]> {
  const unfinished = await Array.fromAsync(findUnfinished(store))
  const files = await listFiles(store.path)
  return [...unfinished, ...files.filter((path) => /\.tmp|\/\.(?!lock$)[^/]*$/.test(path))]
}

async function listFiles(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
}
