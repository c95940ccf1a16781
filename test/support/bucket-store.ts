/** A datastore in a bucket in memory for one test, with scripted answers; the rest is as of test-store.ts. */
import type { TestContext } from 'node:test'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import type { FileSystem } from '../../src/base/fs/file-system.ts'
import { silentLog } from '../../src/base/log.ts'
import { silentProgress } from '../../src/base/progress.ts'
import type { Clock } from '../../src/base/time/clock.ts'
import { claimBucket } from '../../src/datastore/bucket/claim.ts'
import type { OpenBucket } from '../../src/datastore/bucket/open-bucket.ts'
import { createDatastore } from '../../src/datastore/create.ts'
import type { Datastore } from '../../src/datastore/datastore.ts'
import { DatastoreRegistry } from '../../src/datastore/registry.ts'
import { type DatastoreSettings, defaultSettings } from '../../src/datastore/settings.ts'
import { MemoryLedger } from '../../src/storage/bucket-chunks/memory-ledger.ts'
import type { Ledger } from '../../src/storage/ledger.ts'
import { MemoryObjectStore } from '../../src/storage/memory-object-store.ts'
import type { ObjectStore } from '../../src/storage/object-store.ts'
import type { ProbeVerdict } from '../../src/storage/s3/verdict.ts'
import { leapClock } from './leap-clock.ts'
import { ScriptedObjectStore } from './scripted-object-store.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'
import { STORE } from './test-store.ts'

export const HOST = 'vm'

/** A store that can do all that is asked of one. */
export const GOOD_VERDICT: ProbeVerdict = Object.freeze({
  probedMs: 0,
  isUsable: true,
  problems: [],
  remarks: [],
  ifNoneMatch: 'honoured',
  honoursIfNoneMatch: true,
  ifMatch: 'quoted',
  deletes: 'batch',
  listsInPages: true,
  isConsistent: true,
  honoursRange: true,
  copies: true,
  checksContent: true,
  clockOffsetMs: 0,
  versioning: 'off',
  objectLock: 'off',
  expiry: 'none',
})

export interface BucketStoreOptions {
  readonly fs?: FileSystem
  /** Default: long sleeps are over at once. */
  readonly clock?: Clock
  readonly settings?: Partial<DatastoreSettings>
  readonly verdict?: Partial<ProbeVerdict>
  /** Local folders of an earlier one of the same test: a restart. */
  readonly folder?: string
  /** Its bucket. A new store with it is a second server. */
  readonly memory?: MemoryObjectStore
  /** Its ledger; without it a restart begins with a lost one. Null: the SQLite file. */
  readonly ledger?: MemoryLedger | null
  readonly overwriteInUse?: boolean
  readonly bootId?: string
  /** Another process: the place in the bucket may be open in this one, too. */
  readonly isOtherServer?: boolean
  /** Takes a folder over. */
  readonly reuse?: boolean
  /** Default: that of test stores. */
  readonly name?: string
  /** Puts something before what the datastore talks to. */
  readonly wrap?: (objects: ObjectStore) => ObjectStore
}

export interface BucketStore {
  readonly registry: DatastoreRegistry
  readonly store: Datastore
  readonly bucket: OpenBucket
  /** Holds `store`, `state` and `locks`. */
  readonly folder: string
  /** What the datastore talks to, behind `wrap`. */
  readonly objects: ScriptedObjectStore
  /** What is behind it. */
  readonly memory: MemoryObjectStore
  /** Null: the SQLite file. */
  readonly ledger: MemoryLedger | null
  readonly clock: Clock
  /** Changes settings; the next lookup sees them. */
  readonly change: (settings: Partial<DatastoreSettings>) => void
}

/** An open datastore `store1` in a bucket; a new one is created and has claimed it. Closed and removed after the test. */
export async function makeBucketStore(
  context: TestContext,
  options: BucketStoreOptions = {},
): Promise<BucketStore> {
  const { fs = nodeFileSystem, clock = leapClock(), name = STORE } = options
  const folder = options.folder ?? (await makeTemporaryFolder(context))
  const memory = options.memory ?? new MemoryObjectStore({ clock })
  const objects = new ScriptedObjectStore(memory)
  if (options.isOtherServer === true) {
    Object.defineProperty(objects, 'place', { value: `seen from ${folder}` })
  }
  const ledger = options.ledger === undefined ? new MemoryLedger(undefined, clock) : options.ledger
  const verdict = { ...GOOD_VERDICT, ...options.verdict }
  const doors = ledger === null ? {} : { openLedger: async (): Promise<Ledger> => ledger }
  if (options.folder === undefined || options.reuse === true) {
    await create({ ...options, clock, folder, name }, { objects, verdict, ...doors })
  }
  const backend = { kind: 's3', endpointId: 'here', bucket: 'b', maxCacheBytes: null } as const
  const path = `${folder}/store`
  let settings: DatastoreSettings = { ...defaultSettings(path), backend, ...options.settings }
  const registry = new DatastoreRegistry({
    fs,
    clock,
    log: silentLog,
    paths: { state: `${folder}/state`, locks: `${folder}/locks` },
    settingsOf: async (asked) => (asked === name ? settings : null),
    openObjects: async () => ({ objects: options.wrap?.(objects) ?? objects, verdict }),
    bootId: options.bootId ?? null,
    ...doors,
  })
  context.after(async () => await registry.close().catch(() => {}))
  const store = await registry.lookup(name, settings.maintenance === null ? 'write' : 'lookup')
  const { bucket } = store.core
  if (bucket === null) throw new Error('it has a bucket')
  const change = (changed: Partial<DatastoreSettings>): void => {
    settings = { ...settings, ...changed }
  }
  return { registry, store, bucket, folder, objects, memory, ledger, clock, change }
}

async function create(
  options: BucketStoreOptions & { clock: Clock; folder: string; name: string },
  doors: {
    objects: ScriptedObjectStore
    verdict: ProbeVerdict
    openLedger?: () => Promise<Ledger>
  },
): Promise<void> {
  const { clock, folder, name, reuse = false, overwriteInUse = false } = options
  const path = `${folder}/store`
  const progress = silentProgress()
  const made = { name, path, progress, chunkFolders: false, reuse, isInBucket: true, nowMs: 0 }
  await createDatastore(nodeFileSystem, made)
  const { objects, verdict, openLedger } = doors
  await claimBucket(nodeFileSystem, {
    opened: { objects, verdict },
    prefix: name,
    path,
    stateFolder: `${folder}/state/datastores/${name}`,
    progress,
    clock,
    log: silentLog,
    openLedger,
    hostname: HOST,
    overwriteInUse,
  })
}
