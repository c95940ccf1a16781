/** The operations of the lock matrix: how each is held in the middle, and how each is tried beside another. */
import { collect } from '../../src/datastore/collection/collect.ts'
import { deleteGroup } from '../../src/datastore/groups.ts'
import type { MatrixOperation } from '../../src/datastore/lock-matrix.ts'
import { updateUnprotected } from '../../src/datastore/manifest-store.ts'
import { moveGroup } from '../../src/datastore/move/move-group.ts'
import { deleteNamespace } from '../../src/datastore/namespaces.ts'
import { pruneGroup } from '../../src/datastore/prune/prune-group.ts'
import type { BackupWriter } from '../../src/datastore/sessions/backup-writer.ts'
import { beginRead } from '../../src/datastore/sessions/begin-read.ts'
import { openSnapshotFile, readIndex } from '../../src/datastore/snapshot-files.ts'
import { forgetSnapshot, snapshotExists } from '../../src/datastore/snapshots.ts'
import { verifySnapshot } from '../../src/datastore/verify/verify-snapshot.ts'
import { formatBackupTime } from '../../src/formats/backup-time.ts'
import { begin, finish, makeChunk, UPID, writeArchive } from '../support/test-store.ts'
import { GROUP, type LockWorld, OTHER_SPACE, refOf, SPACE, timeOf } from './lock-world.ts'

/** How a start ended: with its work done, with the item skipped. A failure is thrown. */
export type Ending = 'done' | 'skipped'

export interface DrivenOperation {
  /** Starts it and holds it in the middle; what is answered lets it end. */
  readonly hold?: (world: LockWorld) => Promise<() => Promise<unknown>>
  /** Runs it to its end. */
  readonly start?: (world: LockWorld) => Promise<Ending>
}

const INDEX = 'root.pxar.didx'

/** The last step of a removal that others see, with all locks held. */
const isHiding = (time: number) => (step: { readonly name: string; readonly path: string }) =>
  step.name === 'rename' && step.path.endsWith(formatBackupTime(time))

const runs = {
  collect: async (world: LockWorld) =>
    await collect(world.store, { progress: world.progress(), upid: UPID, isConfirmed: true }),
  update: async ({ store, target }: LockWorld) =>
    await updateUnprotected(store, SPACE, target, (all) => ({ ...all, notes: 'new' })),
  forget: async ({ store, target }: LockWorld) => await forgetSnapshot(store, SPACE, target),
  prune: async (world: LockWorld) => {
    const options = { keep: { last: 1 }, dryRun: false, progress: world.progress() }
    return await pruneGroup(world.store, SPACE, GROUP, options)
  },
  verify: async (world: LockWorld) => {
    const options = { progress: world.progress(), upid: UPID }
    return await verifySnapshot(world.store, SPACE, world.target, options)
  },
  deleteNamespace: async ({ store }: LockWorld) =>
    await deleteNamespace(store, SPACE, { deleteGroups: true, errorOnProtected: true }),
  deleteGroup: async ({ store }: LockWorld) =>
    await deleteGroup(store, SPACE, GROUP, { errorOnProtected: true }),
  move: async (world: LockWorld) => {
    const places = { source: SPACE, target: OTHER_SPACE, group: GROUP }
    await moveGroup(world.store, { ...places, mergeGroup: true, progress: world.progress() })
  },
}

export const DRIVEN: Readonly<Partial<Record<MatrixOperation, DrivenOperation>>> = {
  RI: {
    hold: async ({ store, target }) => {
      const file = await openSnapshotFile(store, SPACE, target, INDEX)
      return async () => {
        await using _file = file
        let size = 0
        for await (const piece of file.stream()) size += piece.length
        if (size !== file.size) throw new Error('the index was cut')
      }
    },
    start: async ({ store, target }) => {
      // A session's own snapshot has no index before it has closed one.
      const isThere = await snapshotExists(store, SPACE, target)
      const ref = isThere && target.time < timeOf(3) ? target : refOf(2)
      await readIndex(store, SPACE, ref, INDEX)
      return 'done'
    },
  },
  CI: {
    hold: async (world) => {
      const writer = await begin(world.store, timeOf(3), { ns: SPACE })
      world.target = refOf(3)
      const index = await writer.createDynamicIndex('other.pxar.didx')
      const { digest, blob, size } = await makeChunk('both')
      await writer.insertChunk(digest, blob, size)
      await index.append([digest], [0])
      return async () => await writer.abort()
    },
    start: async ({ store }) => {
      const writer = await begin(store, timeOf(3), { ns: OTHER_SPACE, group: 'host/other' })
      await writeArchive(writer, INDEX, ['both'])
      await finish(writer)
      return 'done'
    },
  },
  GM: {
    hold: async (world) =>
      await world.holdAt(
        ({ name, path }) => name !== 'lstat' && path.endsWith('.didx'),
        async () => await runs.collect(world),
      ),
    start: async (world) => {
      await runs.collect(world)
      return 'done'
    },
  },
  GS: {
    hold: async (world) =>
      await world.holdAt(
        ({ name, path }) => name === 'unlink' && path.includes('/.chunks/'),
        async () => await runs.collect(world),
      ),
    start: async (world) => {
      await runs.collect(world)
      return 'done'
    },
  },
  UM: {
    hold: async (world) =>
      await world.holdAt(
        ({ name, path }) => name === 'rename' && path.includes('/index.json.blob'),
        async () => await runs.update(world),
      ),
    start: async (world) => {
      await runs.update(world)
      return 'done'
    },
  },
  FS: {
    hold: async (world) =>
      await world.holdAt(isHiding(world.target.time), async () => await runs.forget(world)),
    start: async (world) => {
      await runs.forget(world)
      return 'done'
    },
  },
  PR: {
    hold: async (world) =>
      await world.holdAt(isHiding(timeOf(1)), async () => await runs.prune(world)),
    start: async (world) => {
      const before = world.lines.length
      await runs.prune(world)
      return world.lines.slice(before).some((line) => line.startsWith('WARN')) ? 'skipped' : 'done'
    },
  },
  BK: {
    hold: async (world) => {
      const writer = await begin(world.store, timeOf(3), { ns: SPACE })
      world.target = refOf(2)
      return async () => await finishBackup(writer)
    },
    start: async ({ store }) => {
      await finishBackup(await begin(store, timeOf(5), { ns: SPACE }))
      return 'done'
    },
  },
  VF: {
    hold: async (world) =>
      await world.holdAt(
        ({ path }) => path.includes('/.chunks/'),
        async () => await runs.verify(world),
      ),
    start: async (world) => {
      const before = world.lines.length
      await runs.verify(world)
      const isSkipped = world.lines.slice(before).some((line) => line.startsWith('SKIPPED'))
      return isSkipped ? 'skipped' : 'done'
    },
  },
  RD: {
    hold: async ({ store, target }) => {
      const reader = await beginRead(store, { ns: SPACE, ref: target, checkOwner: null })
      return async () => await reader.close()
    },
    start: async ({ store, target }) => {
      const reader = await beginRead(store, { ns: SPACE, ref: target, checkOwner: null })
      await reader.close()
      return 'done'
    },
  },
  SU: {
    hold: async (world) => {
      const writer = await begin(world.store, timeOf(9), { ns: OTHER_SPACE, group: 'host/third' })
      const { digest, blob, size } = await makeChunk('garbage')
      const release = await world.holdAt(
        ({ path }) => path.includes('/.chunks/'),
        async () => await writer.insertChunk(digest, blob, size),
      )
      return async () => {
        await release()
        await writer.abort()
      }
    },
    start: async ({ store }) => {
      const writer = await begin(store, timeOf(8), { ns: OTHER_SPACE, group: 'host/fourth' })
      for (const text of ['garbage', 'bad']) {
        const { digest, blob, size } = await makeChunk(text)
        await writer.insertChunk(digest, blob, size)
      }
      await writer.abort()
      return 'done'
    },
  },
  BD: {
    hold: async (world) => {
      const ref = await world.damage()
      const options = { progress: world.progress(), upid: UPID }
      return await world.holdAt(
        ({ name, path }) => name === 'rename' && path.includes('/.chunks/'),
        async () => await verifySnapshot(world.store, OTHER_SPACE, ref, options),
      )
    },
    start: async (world) => {
      const ref = await world.damage()
      const options = { progress: world.progress(), upid: UPID }
      const { ok } = await verifySnapshot(world.store, OTHER_SPACE, ref, options)
      if (ok) throw new Error('the damage was not found')
      return 'done'
    },
  },
  ND: {
    hold: async (world) =>
      await world.holdAt(isHiding(timeOf(1)), async () => await runs.deleteNamespace(world)),
    start: async (world) => {
      await runs.deleteNamespace(world)
      return 'done'
    },
  },
  GD: {
    hold: async (world) =>
      await world.holdAt(isHiding(timeOf(1)), async () => await runs.deleteGroup(world)),
    start: async (world) => {
      await runs.deleteGroup(world)
      return 'done'
    },
  },
  MV: {
    hold: async (world) =>
      await world.holdAt(isHiding(timeOf(1)), async () => await runs.move(world)),
    start: async (world) => {
      await runs.move(world)
      return 'done'
    },
  },
}

async function finishBackup(writer: BackupWriter): Promise<void> {
  await writeArchive(writer, INDEX, ['both', 'later'])
  await finish(writer)
}
