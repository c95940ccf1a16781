/**
 * Days after everything else: a refresh brings the tree here that the bucket has, and a collection leaves what snapshots
 * name and nothing else (races.md ).
 */
import { silentProgress } from '../../../src/base/progress.ts'
import { refreshStore } from '../../../src/datastore/bucket/refresh.ts'
import { collect } from '../../../src/datastore/collection/collect.ts'
import { UPID } from '../operations/operation.ts'
import { Violation } from '../violation.ts'
import type { World } from '../world.ts'
import type { BucketSide } from './bucket-side.ts'
import { resetProtocols } from './markers.ts'
import { digestsOf, finishedIn, snapshotsIn } from './bucket-tree.ts'

/** Longer than any grace, and than a clock was set back. */
const LATER_MS = 6 * 86_400_000

export function beginBucketEnd(world: World, bucket: BucketSide): void {
  world.scheduler.nowMs += LATER_MS
  bucket.network.weather = 'good'
  bucket.partialShare = 0
  resetProtocols()
  world.maintenance = null
  world.ledger.goneSpaces.clear()
  const { clone } = bucket
  if (clone?.isAlive === true) world.endProcess(clone, () => false)
  if (!world.current.isAlive || world.current.shutdown.signal.aborted) world.newProcess()
  world.startHelper('last refresh', async () => {
    const store = await world.current.lookup()
    await refreshStore(store, { progress: silentProgress(), takesOver: true, hostname: 'vm' })
    bucket.checker?.checkSides()
    await collect(store, { progress: silentProgress(), upid: UPID, isConfirmed: true })
    checkLeft(world, bucket)
  })
}

function checkLeft(world: World, bucket: BucketSide): void {
  const { objects } = bucket
  // Of those that nobody finished something may be left, too: they are reported, and never removed by themselves.
  const named = new Set<string>()
  for (const files of snapshotsIn(objects).values()) {
    for (const digest of digestsOf(files)) named.add(digest)
  }
  const there = new Set<string>()
  for (const { digest } of bucket.chunks()) {
    there.add(digest)
    if (!named.has(digest)) fail(world, `chunk ${digest.slice(0, 8)} is left`)
    if (!bucket.isKnown(world.machine, digest)) fail(world, `${digest.slice(0, 8)} is unknown`)
  }
  for (const [key, files] of finishedIn(objects)) {
    for (const digest of digestsOf(files)) {
      if (there.has(digest) || world.ledger.damaged.has(digest)) continue
      fail(world, `${key} lacks ${digest.slice(0, 8)}`)
    }
  }
}

function fail(world: World, what: string): void {
  world.fail(new Violation('R-56', `${what}, days after everything, a refresh and a collection`))
}
