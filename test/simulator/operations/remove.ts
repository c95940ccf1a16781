/** Forget, prune, removal of groups, protection. */
import { setSnapshotNotes } from '../../../src/datastore/manifest-store.ts'
import { deleteNamespace } from '../../../src/datastore/namespaces.ts'
import { deleteGroup } from '../../../src/datastore/groups.ts'
import { pruneDatastore } from '../../../src/datastore/prune/prune-store.ts'
import { forgetSnapshot, setProtected } from '../../../src/datastore/snapshots.ts'
import { silentProgress } from '../../../src/base/progress.ts'
import { groupOf } from '../../../src/formats/names.ts'
import { parseNamespace } from '../../../src/formats/namespace.ts'
import { type KnownSnapshot, listVisible, openStore, type Running } from './operation.ts'

export async function forget(running: Running): Promise<void> {
  const store = await openStore(running)
  const snapshot = pickSnapshot(running)
  if (snapshot !== null) await forgetSnapshot(store, snapshot.ns, snapshot.ref)
}

/** Keeps the last snapshots of every group of a namespace, as a job does. */
export async function prune(running: Running): Promise<void> {
  const { random, process } = running
  const store = await openStore(running)
  await pruneDatastore(store, {
    ns: parseNamespace(random.chance(0.3) ? 'm' : ''),
    keep: { last: 1 + random.below(2) },
    dryRun: false,
    progress: silentProgress(process.shutdown.signal),
  })
}

export async function removeGroup(running: Running): Promise<void> {
  const store = await openStore(running)
  const some = pickSnapshot(running)
  if (some === null) return
  await deleteGroup(store, some.ns, groupOf(some.ref), { errorOnProtected: false })
}

/** Notes of a snapshot: both they and what a verification writes beside them stay (I18). */
export async function setNotes(running: Running): Promise<void> {
  const { world, actor, random } = running
  const store = await openStore(running)
  const some = pickSnapshot(running)
  if (some === null) return
  const expected = world.ledger.snapshots.get(some.key)
  for (let round = 1 + random.below(3); round > 0; round -= 1) {
    const notes = `${round} by ${actor.name}`
    if (expected === undefined) {
      await setSnapshotNotes(store, some.ns, some.ref, notes)
      continue
    }
    // Of two at a time either may be the last: also one that began and was answered during this call.
    const isAlone = expected.settingNotes === 0
    expected.notes = null
    expected.settingNotes += 1
    expected.notesCalls += 1
    const call = expected.notesCalls
    await setSnapshotNotes(store, some.ns, some.ref, notes)
    expected.settingNotes -= 1
    if (isAlone && expected.notesCalls === call) expected.notes = notes
  }
}

/** Removes a namespace with all in it: what is gone must not come back by itself (races.md R-41). */
export async function removeSpace(running: Running): Promise<void> {
  const { world, random } = running
  const store = await openStore(running)
  const name = random.pick(['m', 'm', 'n'])
  const options = { deleteGroups: random.chance(0.5), errorOnProtected: false }
  await deleteNamespace(store, parseNamespace(name), options)
  world.noteSpaceRemoved(name)
}

export async function protect(running: Running): Promise<void> {
  const store = await openStore(running)
  const some = pickSnapshot(running)
  if (some === null) return
  await setProtected(store, some.ns, some.ref, running.random.chance(0.7))
}

function pickSnapshot({ world, random }: Running): KnownSnapshot | null {
  const known = listVisible(world)
  return known.length === 0 ? null : random.pick(known)
}
