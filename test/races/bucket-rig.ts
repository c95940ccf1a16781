/** A datastore in a bucket in memory whose answers a test writes, and what tests of its races ask of it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { cp, readdir } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { type Clock, systemClock } from '../../src/base/time/clock.ts'
import { type Digest, digestToBytes } from '../../src/formats/digest.ts'
import { MemoryLedger } from '../../src/storage/bucket-chunks/memory-ledger.ts'
import type { Ledger } from '../../src/storage/ledger.ts'
import { MemoryObjectStore } from '../../src/storage/memory-object-store.ts'
import {
  type BucketStore,
  type BucketStoreOptions,
  makeBucketStore,
} from '../support/bucket-store.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { forget } from '../support/collection.ts'
import { backUp, makeChunk, STORE } from '../support/test-store.ts'
import { DAY_1, DAY_2 } from './rig.ts'

/** Real time that a test may skip; who sleeps for long waits for that. */
export class SkipClock implements Clock {
  #skippedMs = 0
  #sleepers: { readonly until: number; readonly wake: () => void }[] = []

  now(): number {
    return systemClock.now() + this.#skippedMs
  }

  monotonic(): number {
    return systemClock.monotonic() + this.#skippedMs
  }

  get sleeperCount(): number {
    return this.#sleepers.length
  }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    if (delayMs < LONG_MS) return await systemClock.sleep(delayMs, signal)
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const sleeper = { until: this.monotonic() + delayMs, wake: resolve }
    this.#sleepers.push(sleeper)
    const onAbort = (): void => {
      this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    await promise
  }

  /** Both times go on at once. */
  skip(delayMs: number): void {
    this.#skippedMs += delayMs
    const now = this.monotonic()
    const awake = this.#sleepers.filter(({ until }) => until <= now)
    this.#sleepers = this.#sleepers.filter(({ until }) => until > now)
    for (const { wake } of awake) wake()
  }
}

const LONG_MS = 60_000

export interface BucketRigOptions extends Omit<BucketStoreOptions, 'clock' | 'folder' | 'ledger'> {
  /** What an earlier rig left: a restart. */
  readonly before?: BucketRemains
  /** The bucket's clock minus ours. */
  readonly skewMs?: number
  readonly ledgerKind?: 'memory' | 'sqlite'
}

export interface BucketRemains {
  readonly folder: string
  readonly clock: SkipClock
  readonly memory: MemoryObjectStore
  readonly ledger: MemoryLedger | null
}

export interface BucketRig extends Omit<BucketStore, 'ledger'> {
  readonly clock: SkipClock
  readonly ledger: Ledger
  /** Null: it is in SQLite. */
  readonly memoryLedger: MemoryLedger | null
  /** The disk, copied, with bucket and ledger as they are now: what a killed process leaves. */
  remains(): Promise<BucketRemains>
}

/** An open datastore `store1` in a bucket of its own, without grace. */
export async function makeBucketRig(
  context: TestContext,
  options: BucketRigOptions = {},
): Promise<BucketRig> {
  const { before, skewMs = 0, ledgerKind = 'memory', ...given } = options
  const clock = before?.clock ?? new SkipClock()
  const memory = before?.memory ?? given.memory ?? makeMemory(clock, skewMs, given)
  const fresh = ledgerKind === 'sqlite' ? null : new MemoryLedger(undefined, clock)
  const memoryLedger = before === undefined ? fresh : before.ledger
  const made = await makeBucketStore(context, {
    ...given,
    clock,
    memory,
    ledger: memoryLedger,
    ...(before === undefined ? {} : { folder: before.folder }),
    // Those of one test do not know of each other.
    isOtherServer: true,
    settings: { gcGraceMs: 0, ...options.settings },
  })
  const remains = async (): Promise<BucketRemains> => {
    const folder = await makeTemporaryFolder(context)
    await cp(made.folder, folder, { recursive: true })
    const ledger = memoryLedger === null ? null : new MemoryLedger(memoryLedger.snapshot(), clock)
    return { folder, clock, memory, ledger }
  }
  made.objects.requests.length = 0
  return { ...made, clock, memoryLedger, ledger: made.bucket.ledger, remains }
}

function makeMemory(
  clock: SkipClock,
  skewMs: number,
  { verdict }: Pick<BucketStoreOptions, 'verdict'>,
): MemoryObjectStore {
  const skewed: Clock = {
    now: () => clock.now() + skewMs,
    monotonic: () => clock.monotonic(),
    sleep: async (delayMs, signal) => await clock.sleep(delayMs, signal),
  }
  const ignores = verdict?.honoursIfNoneMatch === false ? (['absent'] as const) : []
  return new MemoryObjectStore({ clock: skewed, ignores })
}

/** Another bucket with the same objects. */
export async function copyMemory({ memory, clock }: BucketRig): Promise<MemoryObjectStore> {
  const copy = makeMemory(clock, 0, {})
  for (const key of memory.keys) {
    const { body, modifiedMs } = (await memory.get(key)) ?? {}
    if (body !== undefined) copy.plant(key, body, modifiedMs)
  }
  return copy
}

export function chunkKey(digest: Digest): string {
  return `${STORE}/.chunks/${digest.slice(0, 4)}/${digest}`
}

export async function keyOf(text: string): Promise<string> {
  return chunkKey((await makeChunk(text)).digest)
}

/** Whether the bucket has the chunk with this text. */
export async function hasObject({ memory }: BucketRig, text: string): Promise<boolean> {
  return (await memory.head(await keyOf(text))) !== null
}

/** Whether the ledger says so. */
export async function isKnown({ ledger }: BucketRig, text: string): Promise<boolean> {
  return ledger.knowsAt(digestToBytes((await makeChunk(text)).digest), 0) !== null
}

/** Puts a copy of the local tree into the bucket. */
export async function mirror({ store, memory }: BucketRig): Promise<void> {
  for (const entry of await readdir(store.path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = `${entry.parentPath}/${entry.name}`.slice(store.path.length + 1)
    if (path.startsWith('.')) continue
    memory.plant(`${STORE}/.cnt/${path}`, readFileSync(`${store.path}/${path}`))
  }
}

/** No entry of the ledger without its object (I14), and nothing is held. */
export async function assertSound({ store, memory, ledger }: BucketRig): Promise<void> {
  const keys = new Set(memory.keys)
  const first = '0'.repeat(64) as Digest
  for (const { digest } of await ledger.entries(first, null, Number.MAX_SAFE_INTEGER)) {
    assert.ok(keys.has(chunkKey(digest)), `no object ${digest}`)
  }
  assertNothingHeld({ store })
}

export function assertNothingHeld({ store }: Pick<BucketRig, 'store'>): void {
  assert.equal(store.core.gate.size, 0)
  assert.equal(store.core.sessions.onRegister, null)
  assert.equal(store.core.processLock.isExclusive, false)
}

/** All that is there is older than this second. */
export const SOME_TIME_MS = 5_000

/** A store with one chunk that nobody needs any more. */
export async function makeGarbage(
  rig: BucketRig,
  texts: readonly string[] = ['gone'],
): Promise<{ readonly key: string }> {
  await backUp(rig.store, DAY_1, [...texts, 'kept'])
  await backUp(rig.store, DAY_2, ['kept'])
  await forget(rig.store, DAY_1)
  rig.clock.skip(SOME_TIME_MS)
  rig.objects.requests.length = 0
  return { key: await keyOf(texts[0] ?? '') }
}

export function deletesOf({ objects }: BucketRig): readonly string[] {
  return objects.requests
    .filter(({ operation }) => operation === 'delete')
    .flatMap(({ keys }) => keys)
}

/** Everything that can run without the bucket or time has run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** Awaits `work`; whatever it sleeps for long is over at once. */
export async function skipping<Result>(
  { clock }: Pick<BucketRig, 'clock'>,
  work: Promise<Result>,
): Promise<Result> {
  const state = { isOver: false }
  const watched = work.finally(() => (state.isOver = true))
  // Its end is for who awaits the result.
  watched.catch(() => {})
  for (; !state.isOver; await settle()) if (clock.sleeperCount > 0) clock.skip(LONG_MS)
  return await watched
}

/** As the folder of a snapshot is named. */
export function timeText(time: number): string {
  return new Date(time * 1000).toISOString().replace('.000', '')
}
