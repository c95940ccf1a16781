/** A store over a file system that a test can hold at any call, and what race tests ask of it. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import type { Datastore } from '../../src/datastore/datastore.ts'
import { LockTable } from '../../src/datastore/locks.ts'
import { readIndex } from '../../src/datastore/snapshot-files.ts'
import type { SnapshotRef } from '../../src/formats/names.ts'
import { type NamespacePath, ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import { gcStore } from '../support/collection.ts'
import { FaultFileSystem, type Step } from '../support/fault-file-system.ts'
import {
  appendArchive,
  begin,
  finish,
  makeChunk,
  type TestStoreOptions,
} from '../support/test-store.ts'

export const DAY_1 = 1_767_225_600
export const DAY_2 = DAY_1 + 86_400
export const DAY_3 = DAY_2 + 86_400
export const GROUP = { type: 'host', id: 'web1' } as const
export const ARCHIVE = 'root.pxar.didx'

export function refAt(time: number): SnapshotRef {
  return { ...GROUP, time } as SnapshotRef
}

export async function makeRig(context: TestContext, options: TestStoreOptions = {}) {
  const disk = new FaultFileSystem(options.fs ?? nodeFileSystem)
  const made = await gcStore(context, { ...options, fs: disk.fs })
  /** Runs `act` once, right before the first call that `when` accepts; `ran` says whether it did. */
  const before = (when: (step: Step) => boolean, act: () => Promise<void>): { ran: boolean } => {
    const state = { ran: false }
    disk.onStep(async (step) => {
      if (state.ran || !when(step)) return
      state.ran = true
      await act()
    })
    return state
  }
  return { ...made, disk, before }
}

/** The store as a process has it that shares only the lock files. */
export function asOtherProcess(store: Datastore): Datastore {
  const [folder, name] = /^(.*)\/([^/]+)\/[^/]+$/.exec(store.locks.moveJournalPath)?.slice(1) ?? []
  assert.ok(folder !== undefined && name !== undefined)
  const { fs, clock, owner } = store
  return { ...store, locks: new LockTable(fs, { clock, folder, store: name, owner }) }
}

/** Accepts calls of this name on paths that have `part` in them. */
export function isCall(name: string, part: string): (step: Step) => boolean {
  return (step) => step.name === name && step.path.includes(part)
}

/** A backup whose chunk comes from the base alone: none of it passes the gate. */
export async function backUpKnown(store: Datastore, time: number, text: string): Promise<void> {
  const writer = await begin(store, time)
  await writer.registerPrevious(ARCHIVE)
  await appendArchive(writer, ARCHIVE, [await makeChunk(text)])
  await finish(writer)
}

/** Every chunk of every position of the snapshot's archive is there and reads well: what a restore would need. */
export async function assertRestores(
  store: Datastore,
  time: number,
  ns: NamespacePath = ROOT_NAMESPACE,
): Promise<void> {
  const index = await readIndex(store, ns, refAt(time), ARCHIVE)
  for (let position = 0; position < index.count; position += 1) {
    assert.ok((await store.chunks.read(index.digestAt(position))).length > 0)
  }
}

/** Nothing is held any more: neither gate nor session nor process lock. */
export function assertNothingHeld(store: Datastore): void {
  assert.equal(store.core.gate.size, 0)
  assert.equal(store.core.sessions.count, 0)
  assert.equal(store.core.sessions.onRegister, null)
  assert.equal(store.core.processLock.sharedCount, 0)
  assert.equal(store.core.processLock.isExclusive, false)
}

/** Whether another process would get the process lock: another open file counts as another process. */
export async function mayOtherLock(
  store: Datastore,
  mode: 'shared' | 'exclusive',
): Promise<boolean> {
  await using handle = await nodeFileSystem.open(`${store.path}/.lock`, 'read-write-create')
  return handle.tryLock('record', mode)
}
