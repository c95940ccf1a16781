/** What happens to a store in a bucket: parts of it become older, are lost, or are there twice. */
import { collect } from '../../../src/datastore/collection/collect.ts'
import { HOLDER_OBJECT } from '../../../src/datastore/bucket/keys.ts'
import { refreshStore } from '../../../src/datastore/bucket/refresh.ts'
import { silentProgress } from '../../../src/base/progress.ts'
import { chunkKey } from '../../../src/storage/bucket-chunks/chunk-keys.ts'
import { collectGarbage } from '../operations/collect.ts'
import { backUp } from '../operations/backup.ts'
import { forget } from '../operations/remove.ts'
import { openStore, type Running, UPID } from '../operations/operation.ts'
import { STORE_NAME } from '../sim-process.ts'
import { MANIFEST } from '../places.ts'
import { Machine } from '../kernel/machine.ts'
import type { World } from '../world.ts'
import type { BucketSide } from './bucket-side.ts'
import { snapshotsIn } from './bucket-tree.ts'
import { DiskImage } from './disk-image.ts'

/** An administrator tries again. */
const REFRESH_TRIES_MAX = 2
/** Of the chunks that are lost; the others are gone. */
const DAMAGED_SHARE = 0.4

/** An image of everything, to which parts are rolled back later. */
export async function takeImage({ world }: Running): Promise<void> {
  await world.scheduler.call('disk', 'an image is taken', () => bucketOf(world).takeImage())
}

export async function rollBackDisk(running: Running): Promise<void> {
  rollBack(running, ({ image }, machine) => image?.disk.putBack(machine))
}

export async function rollBackLedger(running: Running): Promise<void> {
  rollBack(running, (bucket, machine) => {
    bucket.ledgerOf(machine).restore(bucket.image?.ledgerPosition ?? 0)
  })
}

/** The whole machine is as it was. */
export async function rollBackMachine(running: Running): Promise<void> {
  rollBack(running, (bucket, machine) => {
    if (bucket.image === null) return
    bucket.image.disk.putBack(machine)
    bucket.ledgerOf(machine).restore(bucket.image.ledgerPosition)
  })
}

/**
 * The bucket is as it was, by whatever a provider or an administrator did. Only to before the last generation of its
 * holder that is known here: nothing else can be told (docs/simulator.md).
 */
export async function rollBackBucket(running: Running): Promise<void> {
  const { world } = running
  const holder = `${STORE_NAME}/${HOLDER_OBJECT}`
  const { image } = bucketOf(world)
  const before = image?.objects.get(holder)?.body
  if (before === undefined) return
  const { generation } = JSON.parse(Buffer.from(before).toString()) as { generation: number }
  if (bucketOf(world).knownGeneration(world.machine) <= generation) return
  rollBack(running, ({ image, objects, network }) => {
    if (image === null) return
    network.era += 1
    objects.restoreAll(image.objects)
    const there = snapshotsIn(objects)
    for (const [key, expected] of world.ledger.snapshots) {
      if (there.get(key)?.has(MANIFEST) !== true) expected.mayBeGone = true
    }
  })
}

export async function loseLedger(running: Running): Promise<void> {
  rollBack(running, (bucket, machine) => {
    bucket.ledgerOf(machine).restore(0)
  })
}

function rollBack(
  { world, random }: Running,
  change: (bucket: BucketSide, machine: Machine) => void,
): void {
  const bucket = bucketOf(world)
  const { machine } = world
  for (const process of world.processes) {
    if (process.fs.machine === machine) world.endProcess(process, () => random.chance(0.5))
  }
  bucket.isRolledBack = true
  change(bucket, machine)
  for (const expected of world.ledger.snapshots.values()) {
    expected.notes = null
    expected.isVerified = false
  }
  world.ledger.goneSpaces.clear()
  world.newProcess()
  world.startRecovery()
}

/** The tree and the ledger from the bucket; the mode is left behind only if it ended well. */
export async function refresh(running: Running): Promise<void> {
  const { world, process, random } = running
  world.maintenance = { type: 's3-refresh', message: '' }
  let isDone = false
  try {
    const store = await process.registry.lookup(STORE_NAME, 'lookup')
    process.stores.add(store)
    const progress = silentProgress(process.shutdown.signal)
    for (let count = 1; !isDone; count += 1) {
      try {
        world.ledger.goneSpaces.clear()
        await refreshStore(store, { progress, takesOver: random.chance(0.7), hostname: 'vm' })
        isDone = true
      } catch (error) {
        if (count === REFRESH_TRIES_MAX) throw error
      }
    }
  } finally {
    // Or by an administrator who does not know what he does (races.md R-40).
    if (isDone || random.chance(0.5)) world.maintenance = null
  }
}

/** A chunk of the bucket is removed or damaged, by whoever can. */
export async function loseObject({ world, random }: Running): Promise<void> {
  const bucket = bucketOf(world)
  await world.scheduler.call('disk', 'an object is lost', () => {
    const chunks = [...bucket.chunks()]
    if (chunks.length === 0) return
    const { digest } = random.pick(chunks)
    const key = chunkKey(STORE_NAME, digest)
    world.ledger.damaged.add(digest)
    world.isDestroying = true
    if (random.chance(DAMAGED_SHARE)) bucket.objects.damage(key)
    else {
      bucket.lost.set(digest, world.stepCount)
      bucket.objects.delete(key)
    }
    world.isDestroying = false
  })
}

/** A collection, after which nothing is known that it did not find. */
export async function collectBucket(running: Running): Promise<void> {
  const { world, process } = running
  const bucket = bucketOf(world)
  const began = world.stepCount
  await collectGarbage(running)
  const lost = [...bucket.lost].filter(([, step]) => step < began).map(([digest]) => digest)
  bucket.checker?.checkForgotten(process, lost)
}

/** The machine is copied as it is, and the copy started (races.md R-59). */
export async function clone({ world }: Running): Promise<void> {
  const bucket = bucketOf(world)
  if (bucket.clone !== null) return
  const { machine } = world
  const copy = new Machine(() => world.scheduler.nowMs + world.scheduler.wallOffsetMs)
  DiskImage.of(machine).putBack(copy)
  copy.mkdir('/run/locks', { recursive: true, mode: 0o755 })
  bucket.giveLedger(copy, bucket.ledgerOf(machine).copy())
  bucket.isRolledBack = true
  bucket.clone = world.addProcess(copy)
  world.startRecoveryOf(bucket.clone)
  await Promise.resolve()
}

export async function cloneBackup(running: Running): Promise<void> {
  if (bucketOf(running.world).clone === running.process) await backUp(running)
}

export async function cloneForget(running: Running): Promise<void> {
  if (bucketOf(running.world).clone === running.process) await forget(running)
}

export async function cloneCollect(running: Running): Promise<void> {
  if (bucketOf(running.world).clone !== running.process) return
  const store = await openStore(running)
  await collect(store, { progress: silentProgress(running.process.shutdown.signal), upid: UPID })
}

function bucketOf(world: World): BucketSide {
  if (world.bucket === null) throw new Error('the store has no bucket')
  return world.bucket
}
