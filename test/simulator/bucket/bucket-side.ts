/** What a world in a bucket has beside its disk: the bucket, the ledgers of its machines, and how it all begins. */
import {
  contentKey,
  HOLDER_OBJECT,
  IN_USE_OBJECT,
  NAMESPACE_OBJECT,
} from '../../../src/datastore/bucket/keys.ts'
import { formatHolder, formatInUse } from '../../../src/datastore/bucket/holder-object.ts'
import { LEDGER_FILE } from '../../../src/datastore/bucket/open-bucket.ts'
import type { OpenedObjects } from '../../../src/datastore/bucket/store-bucket.ts'
import type { BackendSettings } from '../../../src/datastore/settings.ts'
import { chunkKey } from '../../../src/storage/bucket-chunks/chunk-keys.ts'
import { LedgerWriter } from '../../../src/storage/bucket-chunks/ledger-writer.ts'
import { REQUEST_LIFE_MS } from '../../../src/storage/ledger.ts'
import type { PutCondition, StoredObject } from '../../../src/storage/object-store.ts'
import type { ProbeVerdict } from '../../../src/storage/s3/verdict.ts'
import type { Digest } from '../../../src/formats/digest.ts'
import type { SimChunk } from '../chunks.ts'
import type { Machine } from '../kernel/machine.ts'
import { SPACE_FOLDER, STORE_FOLDER } from '../places.ts'
import { Random } from '../random.ts'
import { currentActor, type Scheduler } from '../scheduler.ts'
import { type SimProcess, STORE_NAME } from '../sim-process.ts'
import { DiskImage } from './disk-image.ts'
import { LedgerThread } from './ledger-thread.ts'
import { SimNetwork, type Weather } from './network.ts'
import { SimObjects } from './objects.ts'
import { resetProtocols } from './markers.ts'
import { SimObjectStore } from './sim-object-store.ts'
import { SimDatabaseFile, useDatabaseFiles } from './sqlite.ts'

export interface BucketOptions {
  /** Decides what becomes of requests. */
  readonly seed: number
  readonly weather: Weather
  /** The store's clock less ours. */
  readonly clockOffsetMs: number
  /** Conditions that the provider ignores, as the probe has found. */
  readonly ignores: readonly Exclude<PutCondition['kind'], 'always'>[]
  readonly copies: boolean
  readonly partialShare: number
  /** Of PUTs of chunks. */
  readonly refusedShare: number
  /** Whether copies of chunks are kept locally. */
  readonly isCached: boolean
}

export const STATE_FOLDER = `/data/state/datastores/${STORE_NAME}`
const LEDGER_PATH = `${STATE_FOLDER}/${LEDGER_FILE}`
const HOSTNAME = 'vm'
const HOLDER = { holderId: 'ours', generation: 1, nonce: 'first' }

/** An older state of a part of the world, to which it may be rolled back. */
export interface BucketImage {
  readonly disk: DiskImage
  readonly ledgerPosition: number
  readonly objects: ReadonlyMap<string, StoredObject>
}

/** What the checker looks at when it is asked. */
export interface SideChecks {
  checkForgotten(process: SimProcess, lost: Iterable<string>): void
  checkSides(): void
}

export class BucketSide {
  readonly objects: SimObjects
  readonly network: SimNetwork
  readonly backend: BackendSettings
  readonly verdict: ProbeVerdict
  readonly options: BucketOptions
  readonly #machine: Machine
  readonly #nowMs: () => number
  readonly #ledgers = new Map<Machine, SimDatabaseFile>()
  /** Share of the keys of a batch that are not deleted in one round. */
  partialShare: number
  image: BucketImage | null = null
  /** A process of a copy of the whole machine; null before it was made. */
  clone: SimProcess | null = null
  /** Chunks that the schedule itself took from the bucket, with the step. */
  readonly lost = new Map<string, number>()
  checker: SideChecks | null = null
  /** Whose ledger's thread runs now. */
  #acting: Machine | null = null
  /** Whether disk, ledger or bucket was rolled back, or the machine was copied: what is here may be older. */
  isRolledBack = false

  constructor(parts: { machine: Machine; scheduler: Scheduler }, options: BucketOptions) {
    const { machine, scheduler } = parts
    this.#machine = machine
    this.options = options
    this.partialShare = options.partialShare
    this.#nowMs = () => scheduler.nowMs + scheduler.wallOffsetMs
    const nowMs = (): number => scheduler.nowMs + scheduler.wallOffsetMs + options.clockOffsetMs
    this.objects = new SimObjects(nowMs, options.ignores)
    this.network = new SimNetwork(scheduler, options)
    const maxCacheBytes = options.isCached ? 60 : 0
    this.backend = { kind: 's3', endpointId: 'here', bucket: 'b', maxCacheBytes }
    this.verdict = verdictOf(options)
    useDatabaseFiles(() => this.#ledgerHere())
    resetProtocols()
    Object.assign(globalThis.cairnSimulator, {
      ledgerThread: () => this.#makeThread(),
      ledgerDisk: {
        openSync: () => 1,
        closeSync() {},
        fdatasyncSync: () => this.#ledgerHere().sync(),
      },
    })
  }

  #ledgerHere(): SimDatabaseFile {
    return this.ledgerOf(this.#acting ?? machineNow() ?? this.#machine)
  }

  #makeThread(): LedgerThread {
    const machine = machineNow() ?? this.#machine
    return new LedgerThread((work) => {
      this.#acting = machine
      try {
        return work()
      } finally {
        this.#acting = null
      }
    })
  }

  /** The ledger's file on a machine. */
  ledgerOf(machine: Machine): SimDatabaseFile {
    let file = this.#ledgers.get(machine)
    if (file === undefined) this.#ledgers.set(machine, (file = new SimDatabaseFile()))
    return file
  }

  /** Another machine begins with a ledger of its own. */
  giveLedger(machine: Machine, file: SimDatabaseFile): void {
    this.#ledgers.set(machine, file)
  }

  async open(): Promise<OpenedObjects> {
    await Promise.resolve()
    const { objects, network, verdict, options } = this
    const partialShare = (): number => this.partialShare
    const random = (): Random => {
      const { id, callCount } = currentActor()
      return new Random(options.seed ^ (id * 31 + callCount))
    }
    const { refusedShare } = options
    const parts = { objects, network, partialShare, refusedShare, random }
    return { objects: new SimObjectStore(parts), verdict }
  }

  /** Puts a chunk that has been there for long. */
  putChunk({ digest, blob }: SimChunk, modifiedMs: number): void {
    this.objects.plant(chunkKey(STORE_NAME, digest), blob, modifiedMs)
  }

  /** Puts a file of the tree that has been there for long. */
  putFile(path: string, data: Uint8Array, modifiedMs: number): void {
    const key = contentKey(STORE_NAME, path.slice(STORE_FOLDER.length + 1))
    this.objects.plant(key, data, modifiedMs)
  }

  /** The bucket is ours, and the ledger knows what is in it. */
  claim(modifiedMs: number): void {
    const { objects } = this
    const machine = this.#machine
    objects.plant(`${STORE_NAME}/${IN_USE_OBJECT}`, formatInUse(HOSTNAME), modifiedMs)
    const holder = { ...HOLDER, hostname: HOSTNAME, inUseMs: modifiedMs }
    objects.plant(`${STORE_NAME}/${HOLDER_OBJECT}`, formatHolder(holder), modifiedMs)
    this.putFile(`${SPACE_FOLDER}/${NAMESPACE_OBJECT}`, new Uint8Array(), modifiedMs)
    machine.mkdir(STATE_FOLDER, { recursive: true, mode: 0o700 })
    const known = { ...HOLDER, pending: null }
    const copy = machine.open(`${STORE_FOLDER}/${HOLDER_OBJECT}`, 'create', 0o600)
    copy.setData(Buffer.from(`${JSON.stringify(known)}\n`), modifiedMs)
    const writer = new LedgerWriter(LEDGER_PATH)
    writer.run({ kind: 'open', path: LEDGER_PATH, nowMs: modifiedMs })
    writer.run({ kind: 'set-holder', path: LEDGER_PATH, holder: known })
    const found = [...this.chunks()]
    const digests = Buffer.concat(found.map(({ digest }) => Buffer.from(digest, 'hex')))
    const sizes = Int32Array.from(found, ({ size }) => size)
    const entries = { digests: new Uint8Array(digests), sizes }
    const seen = { all: 0, foreign: 0 }
    writer.run({ kind: 'apply', path: LEDGER_PATH, entries, seen })
    this.ledgerOf(machine).sync()
  }

  /** Good chunks of the bucket. */
  *chunks(): Generator<{ readonly digest: Digest; readonly size: number }> {
    for (const key of this.objects.keys) {
      const match = /\/\.chunks\/[0-9a-f]{4}\/([0-9a-f]{64})$/.exec(key)
      if (match === null) continue
      yield { digest: match[1] as Digest, size: this.objects.get(key)?.size ?? 0 }
    }
  }

  /** Whether the ledger's file on a machine has an entry of the chunk. */
  isKnown(machine: Machine, digest: string): boolean {
    const { database } = this.ledgerOf(machine)
    const row = database.prepare('SELECT 1 FROM chunks WHERE digest = ?')
    return row.get(Buffer.from(digest, 'hex')) !== undefined
  }

  isSuspect(machine: Machine, digest: string): boolean {
    const { database } = this.ledgerOf(machine)
    const row = database.prepare('SELECT 1 FROM suspects WHERE key = ?')
    if (row.get(chunkKey(STORE_NAME, digest as Digest)) !== undefined) return true
    const all = database.prepare("SELECT value FROM meta WHERE name = 'blanketMs'").get()
    return all !== undefined && Number(all['value']) + REQUEST_LIFE_MS > this.#nowMs()
  }

  /** Of the holder, as the ledger has it; 0 if it has none. */
  knownGeneration(machine: Machine): number {
    const { database } = this.ledgerOf(machine)
    const row = database.prepare("SELECT value FROM meta WHERE name = 'holder'").get()
    const holder = JSON.parse(String(row?.['value'] ?? '{}')) as { readonly generation?: number }
    return holder.generation ?? 0
  }

  takeImage(): void {
    this.image = {
      disk: DiskImage.of(this.#machine),
      ledgerPosition: this.ledgerOf(this.#machine).position,
      objects: this.objects.copyAll(),
    }
  }

  cutPower(random: Random): void {
    this.ledgerOf(this.#machine).cutPower(random)
  }

  /** To be called when the schedule is over. */
  close(): void {
    for (const file of this.#ledgers.values()) file.close()
  }
}

/** Of whoever runs now; null outside of an operation. */
export function machineNow(): Machine | null {
  try {
    return (currentActor().process as SimProcess).fs.machine
  } catch {
    return null
  }
}

function verdictOf({ ignores, clockOffsetMs, copies }: BucketOptions): ProbeVerdict {
  const honoursIfNoneMatch = !ignores.includes('absent')
  return {
    probedMs: 0,
    isUsable: true,
    problems: [],
    remarks: [],
    ifNoneMatch: honoursIfNoneMatch ? 'honoured' : 'ignored',
    honoursIfNoneMatch,
    ifMatch: ignores.includes('unchanged') ? null : 'quoted',
    deletes: 'batch',
    listsInPages: true,
    isConsistent: true,
    honoursRange: true,
    copies,
    checksContent: true,
    clockOffsetMs,
    versioning: 'off',
    objectLock: 'off',
    expiry: 'none',
  }
}

declare global {
  var cairnSimulator: Record<string, unknown>
}
