/** Garbage collection, and the moves beside it. */
import { silentProgress } from '../../../src/base/progress.ts'
import type { Datastore } from '../../../src/datastore/datastore.ts'
import { collect } from '../../../src/datastore/collection/collect.ts'
import { moveGroup } from '../../../src/datastore/move/move-group.ts'
import { moveNamespace } from '../../../src/datastore/move/move-namespace.ts'
import { groupOf } from '../../../src/formats/names.ts'
import { parseNamespace } from '../../../src/formats/namespace.ts'
import { listVisible, openStore, type Running, UPID } from './operation.ts'

/** One run, or two in a row. */
export async function collectGarbage(running: Running): Promise<void> {
  const { random } = running
  const store = await openStore(running)
  for (let runs = random.chance(0.4) ? 2 : 1; runs > 0; runs -= 1) await collectOnce(running, store)
}

async function collectOnce(running: Running, store: Datastore): Promise<void> {
  const { world, actor, random, process } = running
  const passCount = random.chance(0.2) ? 1 + random.below(4) : 1
  world.collections.set(actor, {
    core: store.core,
    activeSinceStep: null,
    isSinglePass: passCount === 1,
    failedStep: null,
    listedAtStep: -1,
    startOffsetMs: null,
    keptSinceMs: null,
  })
  const progress = silentProgress(process.shutdown.signal)
  const keys = listVisible(world).map(({ key }) => key)
  try {
    await collect(store, { progress, upid: UPID, passCount })
    for (const key of keys) world.ledger.collected.add(key)
  } finally {
    world.collections.delete(actor)
  }
}

export async function move(running: Running): Promise<void> {
  const { world, random, process } = running
  const store = await openStore(running)
  const known = listVisible(world)
  if (known.length === 0) return
  const { ns: source, ref } = random.pick(known)
  const target = parseNamespace(source === '' ? 'm' : '')
  await moveGroup(store, {
    source,
    target,
    group: groupOf(ref),
    mergeGroup: random.chance(0.8),
    progress: silentProgress(process.shutdown.signal),
  })
}

export async function moveSpace(running: Running): Promise<void> {
  const store = await openStore(running)
  const { random, process, world } = running
  const isThere = world.machine.find('/data/store/ns/m').inode !== undefined
  world.ledger.goneSpaces.clear()
  await moveNamespace(store, {
    source: parseNamespace(isThere ? 'm' : 'n'),
    target: parseNamespace(isThere ? 'n' : 'm'),
    deleteSource: random.chance(0.7),
    mergeGroups: random.chance(0.8),
    progress: silentProgress(process.shutdown.signal),
  })
}
