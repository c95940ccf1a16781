/** What happens to the machine: ends of processes, power cuts, the kernel's own work, clocks, and rot. */
import type { Digest } from '../../../src/formats/digest.ts'
import { CHUNKS } from '../chunks.ts'
import type { Inode } from '../kernel/disk.ts'
import { MANIFEST, SPACE_FOLDER, visibleSnapshots } from '../places.ts'
import { findChunk, isChunkWhole, referencesOf, whyNotRestorable } from '../restore.ts'
import type { World } from '../world.ts'
import type { Running } from './operation.ts'

/** SIGHUP: a new process takes over, the old one ends its sessions. */
export async function reload(running: Running): Promise<void> {
  const { world, process } = running
  process.shutdown.abort(new Error('Server shutdown requested - aborting task'))
  world.newProcess()
  world.startRecovery()
}

/** SIGKILL of the newest process, then a start. */
export async function crash({ world, random }: Running): Promise<void> {
  world.endProcess(world.current, () => random.chance(0.5))
  world.newProcess()
  world.startRecovery()
}

export async function cutPower({ world, random }: Running): Promise<void> {
  const { machine } = world
  for (const process of world.processes) {
    if (process.fs.machine === machine) world.endProcess(process, () => random.chance(0.5))
  }
  machine.cutPower(random)
  world.bucket?.cutPower(random)
  world.machine.mkdir('/run/locks', { mode: 0o755 })
  world.scheduler.wallOffsetMs += 60_000 + random.below(600_000)
  world.ledger.findAgain([...visibleSnapshots(world.store)].map(({ key }) => key))
  forgetHealing(world)
  world.ledger.healed.clear()
  if (world.settings.syncLevel === 'none') excuse(world)
  world.checker.checkAll('after a power cut')
  // What was not synced may be as before.
  for (const expected of world.ledger.snapshots.values()) {
    expected.notes = null
    expected.isVerified = false
    expected.settingNotes = 0
  }
  world.ledger.goneSpaces.clear()
  if (world.settings.syncLevel !== 'none') world.checker.checkPromises('after a power cut')
  world.newProcess()
  world.startRecovery()
}

/** What was healed since the last sync may be as damaged as before. */
function forgetHealing({ ledger, store, disk }: World): void {
  for (const [digest, syncCount] of ledger.healed) {
    const isDurable = syncCount < disk.syncCount
    if (isDurable || isChunkWhole(store, digest)) continue
    ledger.damaged.add(digest)
    ledger.healed.delete(digest)
  }
}

/** What was healed and never reached the disk stays so, whatever is synced later. */
function noteLostHealing({ ledger, store }: World): void {
  for (const digest of ledger.healed.keys()) {
    if (findChunk(store, digest)?.isLost === true) ledger.healed.set(digest, Infinity)
  }
}

/** At level `none` nothing was promised: what the cut took is taken as given. */
function excuse(world: World): void {
  const { ledger, store } = world
  for (const expected of ledger.snapshots.values()) expected.mayBeGone = true
  for (const { key, folder } of visibleSnapshots(store)) {
    for (const digest of referencesOf(folder)) {
      if (!isChunkWhole(store, digest)) ledger.damaged.add(digest)
    }
    if (folder.entries?.has(MANIFEST) !== true) continue
    const archives = ledger.snapshots.get(key)?.archives ?? null
    const why = whyNotRestorable(store, folder, { archives, damaged: ledger.damaged })
    if (why !== null) ledger.excused.add(key)
  }
}

/** Commits of the journal and write-back, at times that nobody chose. */
export async function kernel({ world, random }: Running): Promise<void> {
  for (let round = 1 + random.below(6); round > 0; round -= 1) {
    await world.scheduler.call('kernel', 'writes back', () => {
      const disk = random.pick(world.disks)
      if (random.chance(0.6)) disk.commit()
      if (random.chance(0.4)) disk.writeBackSome(random)
    })
  }
}

/** A disk that fails to write; descriptors hear of it once. */
export async function failWriteBack({ world, random }: Running): Promise<void> {
  for (let round = 1 + random.below(4); round > 0; round -= 1) {
    const didFail = await world.scheduler.call('kernel', 'write-back fails', () =>
      random.pick(world.disks).failWriteBack(),
    )
    if (didFail) break
  }
  noteLostHealing(world)
  await world.scheduler.call('kernel', 'gives pages back', () => {
    // At level `none` nobody asks the disk before a snapshot is finished, so nothing is promised then.
    if (random.chance(0.3) && world.settings.syncLevel !== 'none') {
      for (const disk of world.disks) disk.dropCaches()
      forgetHealing(world)
    }
  })
}

/** An administrator names the store by a link to it, or no longer: two objects for one store (races.md R-66). */
export async function reconfigure({ world }: Running): Promise<void> {
  world.isConfiguredByLink = !world.isConfiguredByLink
}

const JUMPS_MS = [-172_800_000, -90_000_000, -3_600_000, 3_600_000, 90_000_000]

export async function jumpClock({ world, random }: Running): Promise<void> {
  await world.scheduler.call('clock', 'is set', () => {
    world.scheduler.wallOffsetMs += random.pick(JUMPS_MS)
    world.clockSetAtStep = world.stepCount
  })
}

/** Time passes while calls hang. */
export async function passTime({ world, random }: Running): Promise<void> {
  await world.scheduler.call('clock', 'time passes', () => {
    world.scheduler.nowMs += random.pick([1_000, 6_000, 60_000, 100_000_000])
  })
}

/**
 * A namespace's file system is gone for a while (races.md R-69). Only when a collection knows all that is there: of
 * what no run ever saw, nobody can say that it vanished.
 */
export async function unmountSpace({ world }: Running): Promise<void> {
  await world.scheduler.call('kernel', 'unmounts ns/m', () => {
    if (world.spaceDisk === null) return
    const keys = [...visibleSnapshots(world.store)].map(({ key }) => key)
    const isKnown = keys.every((key) => !key.startsWith('m:') || world.ledger.collected.has(key))
    if (isKnown) world.machine.unmount(SPACE_FOLDER)
  })
}

export async function mountSpace({ world }: Running): Promise<void> {
  await world.scheduler.call('kernel', 'mounts ns/m', () => world.mountSpace())
}

/** A chunk is damaged, or an administrator removes it. */
export async function rot({ world, random }: Running): Promise<void> {
  await world.scheduler.call('disk', 'rots', () => {
    const stored = CHUNKS.flatMap(({ digest }) => findChunk(world.store, digest) ?? [])
    if (stored.length === 0) return
    const usedNow = stored.filter(({ name }) => isUsedNow(world, name))
    const chunk = random.pick(usedNow.length > 0 && random.chance(0.5) ? usedNow : stored)
    world.ledger.damaged.add(chunk.name)
    world.isDestroying = true
    const how = random.pick(['gone', 'flipped', 'empty', 'short', 'short'] as const)
    world.ledger.lastRot = { digest: chunk.name, how, step: world.stepCount }
    damage(world, chunk, how)
    world.isDestroying = false
  })
}

/** What a running backup relies on. */
function isUsedNow(world: World, digest: string): boolean {
  for (const { stores } of world.processes) {
    for (const { core } of stores) {
      for (const { digests } of core.sessions) if (digests.has(digest as Digest)) return true
    }
  }
  return false
}

function damage(world: World, chunk: Inode, how: 'gone' | 'flipped' | 'empty' | 'short'): void {
  switch (how) {
    case 'gone':
      world.machine.unlink(chunk.path)
      return
    case 'flipped': {
      const data = chunk.data.slice()
      // Never back to what it was, however often.
      data[data.length - 1] = (data.at(-1) ?? 0) + 1
      chunk.data = chunk.stable = data
      return
    }
    case 'empty':
      chunk.data = chunk.stable = new Uint8Array(0)
      return
    case 'short':
      chunk.data = chunk.stable = chunk.data.slice(0, -3)
      return
    default:
      how satisfies never
  }
}
