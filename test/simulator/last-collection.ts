/**
 * Days after everything else a collection runs, and what it has to leave is known: what snapshots name, and nothing that
 * was left half (races.md R-56).
 */
import { collect } from '../../src/datastore/collection/collect.ts'
import { silentProgress } from '../../src/base/progress.ts'
import { UPID } from './operations/operation.ts'
import { STOCK_TEMPORARY } from './operations/stock.ts'
import { referencesOf } from './restore.ts'
import { visibleSnapshots } from './places.ts'
import { Violation } from './violation.ts'
import type { World } from './world.ts'

/** Longer than any grace, and than a clock was set back. */
const LATER_MS = 6 * 86_400_000
/** No file system's times are coarser, and collections rely on that: what they know of folders is lost in such a world. */
const TIME_STEP_MAX_MS = 2_000
const CHUNK = /^[0-9a-f]{64}$/
const TEMPORARY = /\.tmp_[A-Za-z0-9]{6}$/

export function beginEnd(world: World): void {
  world.mountSpace()
  world.scheduler.nowMs += LATER_MS
  if (!world.current.isAlive || world.current.shutdown.signal.aborted) world.newProcess()
  world.startHelper('last collection', async () => {
    const store = await world.current.lookup()
    if (world.timeStepMs > TIME_STEP_MAX_MS) {
      await store.fs.unlink(`${store.core.collection.folder}/folder-sizes`).catch(() => {})
    }
    await collect(store, { progress: silentProgress(), upid: UPID, isConfirmed: true })
    checkLeft(world)
  })
}

function checkLeft(world: World): void {
  const named = new Set<string>()
  for (const { folder } of visibleSnapshots(world.store)) {
    for (const digest of referencesOf(folder)) named.add(digest)
    for (const name of folder.entries?.keys() ?? []) {
      // What another program leaves in its own unfinished snapshot is not ours to remove.
      const isOurs = !name.endsWith(STOCK_TEMPORARY)
      if (isOurs && TEMPORARY.test(name)) fail(world, `${folder.name}/${name} is left`)
    }
  }
  for (const folder of world.store.entries?.get('.chunks')?.entries?.values() ?? []) {
    for (const name of folder.entries?.keys() ?? []) {
      if (TEMPORARY.test(name)) fail(world, `${name.slice(0, 8)}….tmp is left`)
      if (CHUNK.test(name) && !named.has(name)) fail(world, `chunk ${name.slice(0, 8)} is left`)
    }
  }
}

function fail(world: World, what: string): void {
  world.fail(new Violation('R-56', `${what}, days after everything and a collection`))
}
