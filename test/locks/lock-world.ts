/** One small datastore in which any operation of the lock matrix can be started, held at a step, and met by another. */
import { writeFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { type Progress, silentProgress } from '../../src/base/progress.ts'
import { collect } from '../../src/datastore/collection/collect.ts'
import type { Datastore } from '../../src/datastore/datastore.ts'
import { listGroups } from '../../src/datastore/groups.ts'
import { createNamespace, listNamespaces } from '../../src/datastore/namespaces.ts'
import { listSnapshots, snapshotExists } from '../../src/datastore/snapshots.ts'
import { verifySnapshot } from '../../src/datastore/verify/verify-snapshot.ts'
import { parseGroup, type SnapshotRef } from '../../src/formats/names.ts'
import { type NamespacePath, parseNamespace, ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import { FaultFileSystem, type Step } from '../support/fault-file-system.ts'
import { backUp, begin, makeChunk, makeTestStore, UPID } from '../support/test-store.ts'

export const GROUP = parseGroup('host/web1')
/** Its snapshot has a chunk that is damaged. */
export const BAD_GROUP = parseGroup('host/bad')
export const SPACE = parseNamespace('a')
export const OTHER_SPACE = parseNamespace('b')
const DAY_S = 86_400
const DAY_1 = 1_767_225_600
/** A lock that is waited for is tried again and again: so often says that it is waited for. */
const TRIES_THAT_WAIT = 6
/** Rounds of I/O without a step, after which somebody who has not ended waits. */
const QUIET_ROUNDS = 300

export function timeOf(day: number): number {
  return DAY_1 + (day - 1) * DAY_S
}

export function refOf(day: number): SnapshotRef {
  return { ...GROUP, time: timeOf(day) }
}

export class LockWorld {
  readonly store: Datastore
  /** The snapshot that operations on one snapshot mean. */
  target: SnapshotRef = refOf(1)
  /** What tasks have logged. */
  readonly lines: string[] = []
  #hold: {
    readonly isHere: (step: Step) => boolean
    reach(): void
    readonly opened: Promise<void>
  } | null = null
  #stepCount = 0
  /** Of manifest locks, the only files that are waited for. */
  #tries = 0

  private constructor(store: Datastore) {
    this.store = store
  }

  /** Two finished snapshots of one group in the namespace `a`, another group there, and a chunk that nobody needs. */
  static async open(context: TestContext): Promise<LockWorld> {
    const faults = new FaultFileSystem(nodeFileSystem)
    const settings = { gcGraceMs: 0, syncLevel: 'none' } as const
    const { store } = await makeTestStore(context, { fs: faults.fs, settings })
    for (const name of ['a', 'b']) await createNamespace(store, ROOT_NAMESPACE, name)
    for (const day of [1, 2])
      await backUp(store, timeOf(day), ['both', `day ${day}`], { ns: SPACE })
    const other = await begin(store, timeOf(1), { ns: SPACE, group: 'host/other' })
    const { digest, blob, size } = await makeChunk('garbage')
    await other.insertChunk(digest, blob, size)
    await other.abort()
    const world = new LockWorld(store)
    faults.onStep((step) => world.#onStep(step))
    return world
  }

  /** A snapshot of its own whose chunk is damaged. */
  async damage(): Promise<SnapshotRef> {
    const ref = { ...BAD_GROUP, time: timeOf(1) }
    if (await snapshotExists(this.store, OTHER_SPACE, ref)) return ref
    await backUp(this.store, ref.time, ['bad'], { ns: OTHER_SPACE, group: 'host/bad' })
    const { digest } = await makeChunk('bad')
    writeFileSync(`${this.store.path}/.chunks/${digest.slice(0, 4)}/${digest}`, 'damaged')
    return ref
  }

  progress(): Progress {
    const note = (line: string): void => void this.lines.push(line)
    return { ...silentProgress(), log: note, warn: (line) => note(`WARN: ${line}`) }
  }

  /** Starts `work` and resolves when it is at the step; `release` lets it go on and answers how it ended. */
  async holdAt<Result>(
    isHere: (step: Step) => boolean,
    work: () => Promise<Result>,
  ): Promise<() => Promise<Result>> {
    const reached = Promise.withResolvers<void>()
    const opened = Promise.withResolvers<void>()
    this.#hold = { isHere, reach: reached.resolve, opened: opened.promise }
    const done = work()
    const early = done.then(
      () => Promise.reject(new Error('it ended before the step')),
      (error: unknown) => Promise.reject(error),
    )
    await Promise.race([reached.promise, early])
    early.catch(() => {})
    return async () => {
      opened.resolve()
      return await done
    }
  }

  /** Resolves when nothing happens any more although it could: who has not ended then waits. */
  async untilIdle(): Promise<'waits'> {
    for (let quiet = 0, seen = this.#stepCount; quiet < QUIET_ROUNDS; quiet += 1) {
      // A turn of the loop with real I/O in it.
      await nodeFileSystem.stat(this.store.path)
      const isPolling = this.#tries >= TRIES_THAT_WAIT
      if (isPolling) return 'waits'
      if (this.#stepCount !== seen) quiet = 0
      seen = this.#stepCount
    }
    return 'waits'
  }

  /** Everything that is listed as finished is whole, also after a collection. */
  async check(): Promise<string[]> {
    const problems: string[] = []
    await collect(this.store, { progress: silentProgress(), upid: UPID, isConfirmed: true })
    for (const ns of await listNamespaces(this.store)) {
      for (const group of await listGroups(this.store, ns)) {
        for (const { ref, finished } of await listSnapshots(this.store, ns, group)) {
          if (group.id === BAD_GROUP.id) continue
          const isWhole = finished && (await this.#isWhole(ns, ref))
          if (!isWhole) problems.push(`${ns} ${ref.time}: ${finished ? 'broken' : 'unfinished'}`)
        }
      }
    }
    return problems
  }

  async #isWhole(ns: NamespacePath, ref: SnapshotRef): Promise<boolean> {
    const progress = silentProgress()
    return (await verifySnapshot(this.store, ns, ref, { progress, upid: UPID })).ok
  }

  async #onStep(step: Step): Promise<void> {
    this.#stepCount += 1
    if (step.name === 'open' && step.path.endsWith('.lck')) this.#tries += 1
    const hold = this.#hold
    if (hold === null || !hold.isHere(step)) return
    this.#hold = null
    hold.reach()
    await hold.opened
    this.#tries = 0
  }
}
