/**
 * The invariants of a datastore in a bucket. What counts is the bucket: whoever has nothing else restores from it. They
 * are looked at with each object that comes or goes.
 */
import type { Digest } from '../../../src/formats/digest.ts'
import { digestToBytes } from '../../../src/formats/digest.ts'
import type { StoredObject } from '../../../src/storage/object-store.ts'
import type { Actor } from '../actor.ts'
import { Checker, type LiveWriter, type Scene, VERIFY_STATE } from '../checker.ts'
import type { Inode } from '../kernel/disk.ts'
import type { Machine } from '../kernel/machine.ts'
import { MANIFEST, placeOf, STORE_FOLDER, visibleSnapshots } from '../places.ts'
import { wholeDigest } from '../restore.ts'
import type { SimProcess } from '../sim-process.ts'
import { Violation } from '../violation.ts'
import { type BucketSide, machineNow } from './bucket-side.ts'
import type { Sender } from './network.ts'
import {
  digestsOf,
  finishedIn,
  hasWhole,
  placeOfKey,
  snapshotsIn,
  whyNotInBucket,
} from './bucket-tree.ts'

/** Who may be asked to remove snapshots. */
const REMOVERS = /^(?:forget|prune|removeGroup|removeSpace|move|moveSpace|cloneForget)\b/
/** In the folder of a snapshot whose removal began. */
const LEAVING = '.removing'
/** Times of objects are whole seconds. */
const SECOND_MS = 1000
const BAD_CHUNK = /\/([0-9a-f]{64})\.\d\.bad$/

/** What it looks at besides. */
export interface BucketScene extends Scene {
  /** That of whoever runs now. */
  readonly machine: Machine
}

export class BucketChecker extends Checker {
  readonly #world: BucketScene
  readonly #bucket: BucketSide
  /** Who put a chunk last; null: the schedule. */
  readonly #uploads = new Map<string, Sender | null>()

  constructor(world: BucketScene, bucket: BucketSide) {
    super(world)
    this.#world = world
    this.#bucket = bucket
    bucket.checker = this
    bucket.objects.watcher = {
      put: (object, before) => this.#put(object, before),
      deleted: (object) => this.#deleted(object),
    }
  }

  /** The local tree is a copy: that a file of it goes says nothing. */
  override removed(): void {}

  override moved(inode: Inode, from: { readonly folder: Inode; readonly name: string }): void {
    const before = placeOf(`${from.folder.path}/${from.name}`)
    if (before?.kind !== 'snapshot' || before.file !== '' || inode.kind !== 'folder') return
    const after = placeOf(inode.path)
    const { ledger, lastActor, liveWriters, readers } = this.#world
    if (after?.kind === 'snapshot' && after.file === '') return ledger.moved(before.key, after.key)
    const name = lastActor?.name ?? ''
    if (!REMOVERS.test(name)) return
    for (const writer of liveWriters) {
      const isHere = (writer.actor.process as SimProcess).fs.machine === this.#world.machine
      if (isHere && writer.baseKey === before.key) this.#fail('I10', `the base ${before.key} went`)
    }
    for (const reader of readers) {
      if (reader.key === before.key) this.#fail('I11', `${before.key} was removed while it is read`)
    }
  }

  override sessionBegins(writer: LiveWriter): void {
    const { machine } = (writer.actor.process as SimProcess).fs
    for (const other of this.#world.liveWriters) {
      const isHere = (other.actor.process as SimProcess).fs.machine === machine
      if (isHere && other.group === writer.group) {
        this.#fail('I9', `two sessions write ${writer.group}`)
      }
    }
  }

  override checkAll(when: string): void {
    const { ledger } = this.#world
    for (const [key, files] of finishedIn(this.#bucket.objects)) {
      if (ledger.excused.has(key)) continue
      const archives = ledger.snapshots.get(key)?.archives ?? null
      const wanted = { archives, damaged: ledger.damaged }
      const why = whyNotInBucket(this.#bucket.objects, files, wanted)
      if (why !== null) this.#fail('I23', `${key} does not restore ${when}: ${why}`)
    }
  }

  override checkPromises(when: string): void {
    const { ledger } = this.#world
    const snapshots = snapshotsIn(this.#bucket.objects)
    for (const [key, { isAnswered, mayBeGone }] of ledger.snapshots) {
      if (!isAnswered || mayBeGone || ledger.excused.has(key)) continue
      if (snapshots.get(key)?.has(MANIFEST) !== true) {
        this.#fail('I23', `${key} was answered as finished and is gone ${when}`)
      }
    }
  }

  override checkNotes(): void {
    const { ledger } = this.#world
    // Without conditions a late PUT replaces a newer one: nothing can be done about it (races.md R-70).
    if (this.#bucket.options.ignores.length > 0) return
    for (const [key, files] of finishedIn(this.#bucket.objects)) {
      const expected = ledger.snapshots.get(key)
      const text = Buffer.from(files.get(MANIFEST) ?? '')
      if (expected === undefined || ledger.excused.has(key)) continue
      if (expected.notes !== null && !text.includes(JSON.stringify(expected.notes))) {
        this.#fail('I18', `the notes of ${key} are lost`)
      }
      if (expected.isVerified && !text.includes(VERIFY_STATE)) {
        this.#fail('I18', `the state of the verification of ${key} is lost`)
      }
    }
  }

  /** What was answered as finished is in the bucket. */
  override checkDurable(key: string): void {
    const { ledger } = this.#world
    const { objects } = this.#bucket
    const archives = ledger.snapshots.get(key)?.archives ?? null
    const files = snapshotsIn(objects).get(key)
    const why = whyNotInBucket(objects, files, { archives, damaged: ledger.damaged })
    if (why !== null) this.#fail('I23', `${key} was answered as finished: ${why}`)
  }

  /** I3: what was told to be stored is there, or its bytes are kept until it is sure. */
  override checkStored(digest: string): void {
    const { objects } = this.#bucket
    if (this.#world.ledger.damaged.has(digest) || hasWhole(objects, digest)) return
    // Whoever has a copy beside him may be told so, and cannot finish then.
    if (this.#bucket.clone !== null) return
    const machine = machineNow()
    if (machine !== null && this.#bucket.isSuspect(machine, digest)) return
    this.#fail('I3', `chunk ${digest.slice(0, 8)} was answered as stored and is not there`)
  }

  override manifestOf(key: string): Buffer | null {
    const manifest = snapshotsIn(this.#bucket.objects).get(key)?.get(MANIFEST)
    return manifest === undefined ? null : Buffer.from(manifest)
  }

  override manifestOfAll(key: string): Buffer | null {
    // The one here is written after the bucket has answered.
    const here = super.manifestOf(key)
    return here?.includes(VERIFY_STATE) === true ? this.manifestOf(key) : here
  }

  /** what is gone is not known any more after a collection that has looked. */
  checkForgotten(process: SimProcess, lost: Iterable<string>): void {
    const { objects } = this.#bucket
    for (const digest of lost) {
      if (hasWhole(objects, digest) || this.#knower(process.fs.machine, digest) === null) continue
      this.#fail('I14', `the ledger knows ${digest.slice(0, 8)}, which a collection did not find`)
    }
  }

  /** after a refresh the local tree is what the bucket has. */
  checkSides(): void {
    const { store, ledger } = this.#world
    const remote = new Set([...finishedIn(this.#bucket.objects)].map(([key]) => key))
    for (const { key, folder } of visibleSnapshots(store)) {
      const isFinished = folder.entries?.has(MANIFEST) === true
      if (isFinished && !remote.delete(key)) {
        this.#fail('R-57', `${key} is here after a refresh, the bucket has it not`)
      }
    }
    for (const key of remote) {
      if (!ledger.excused.has(key)) this.#fail('R-57', `${key} is not here after a refresh`)
    }
  }

  #put(object: StoredObject, before: StoredObject | undefined): void {
    const place = placeOfKey(object.key)
    if (place?.kind === 'chunk') {
      this.#checkReplaced(place.digest, before)
      if (wholeDigest(object.body) === place.digest) this.#healed(place.digest)
      else if (!this.#world.isDestroying) {
        this.#fail('I4', `chunk ${place.digest.slice(0, 8)} got its name without its content`)
      }
    }
    if (place?.kind !== 'snapshot' || place.file !== MANIFEST || before !== undefined) return
    const { objects } = this.#bucket
    const { ledger } = this.#world
    const archives = ledger.snapshots.get(place.key)?.archives ?? null
    const files = snapshotsIn(objects).get(place.key)
    const why = whyNotInBucket(objects, files, { archives, damaged: ledger.damaged })
    const isLate = this.#bucket.network.sender?.isLate === true
    const { isAnswered = false, mayBeGone = false } = ledger.snapshots.get(place.key) ?? {}
    // Known, see docs/simulator.md: nobody relies on it, and it does not restore.
    if (isLate && (!isAnswered || mayBeGone)) ledger.excused.add(place.key)
    // Whoever sees that somebody else had the bucket takes it back before he answers.
    else if (!isAnswered && this.#bucket.clone !== null) return
    else if (why !== null) this.#fail('I2', `${place.key} became finished: ${why}`)
    for (const writer of this.#world.liveWriters) {
      if (writer.key !== place.key) continue
      this.#world.liveWriters.delete(writer)
      if (!isLate && files !== undefined) this.#relyOn(files)
    }
  }

  /** What was damaged is whole again. Under a suspect key that is no promise yet: its bytes are put again at the end. */
  #healed(digest: string): void {
    const { damaged } = this.#world.ledger
    if (!damaged.has(digest)) return
    const machine = machineNow() ?? this.#world.machine
    if (!this.#bucket.isSuspect(machine, digest)) damaged.delete(digest)
  }

  /** Whoever finishes has waited for the end of all doubts. */
  #relyOn(files: ReadonlyMap<string, Uint8Array>): void {
    for (const digest of digestsOf(files)) {
      if (hasWhole(this.#bucket.objects, digest)) this.#world.ledger.damaged.delete(digest)
    }
  }

  /** what an upload of the same process has put is not replaced by the next one. */
  #checkReplaced(digest: string, before: StoredObject | undefined): void {
    const { sender } = this.#bucket.network
    const earlier = this.#uploads.get(digest)
    this.#uploads.set(digest, sender)
    if (before === undefined || wholeDigest(before.body) !== digest) return
    if (sender === null || sender.isLate || !earlier || earlier.isLate) return
    if (earlier.actor === sender.actor || earlier.actor.process !== sender.actor.process) return
    const { name } = sender.actor
    this.#fail('R-70', `${name} replaced chunk ${digest.slice(0, 8)} of ${earlier.actor.name}`)
  }

  /** what is left of a chunk stays while somebody needs it and there is no better one. */
  #badGone(digest: string): void {
    const { objects, network, lost, isRolledBack } = this.#bucket
    const { sender } = network
    const run = sender === null ? undefined : this.#world.collections.get(sender.actor)
    if (run === undefined || sender?.isLate === true || isRolledBack) return
    if (hasWhole(objects, digest)) return
    // A good one that went behind its back.
    if ((lost.get(digest) ?? -1) > (run.activeSinceStep ?? -1)) return
    for (const [key, files] of finishedIn(objects)) {
      for (const named of digestsOf(files)) {
        if (named === digest) this.#fail('R-38', `bad chunk ${digest.slice(0, 8)} of ${key} went`)
      }
    }
  }

  #deleted(object: StoredObject): void {
    const bad = BAD_CHUNK.exec(object.key)
    if (bad !== null) return this.#badGone(bad[1] as string)
    const place = placeOfKey(object.key)
    if (place === null) return
    if (place.kind === 'chunk') return this.#chunkGone(place.digest, object)
    if (place.file === MANIFEST) this.#snapshotGone(place.key)
  }

  #snapshotGone(key: string): void {
    const expected = this.#world.ledger.snapshots.get(key)
    const { sender } = this.#bucket.network
    if (expected === undefined) return
    const name = sender?.actor.name ?? ''
    const isAsked = REMOVERS.test(name) || (sender !== null && isLeaving(sender.actor, key))
    if (expected.isAnswered && !expected.mayBeGone && !isAsked) {
      this.#fail('I13', `${key}, which was answered as finished, was removed by ${name}`)
    }
    expected.mayBeGone = true
  }

  #chunkGone(digest: string, object: StoredObject): void {
    if (this.#world.isDestroying) return
    const { objects, network } = this.#bucket
    const { sender } = network
    const who = `${sender?.actor.name ?? 'nobody'}${sender?.isLate === true ? ', late' : ''}`
    const chunk = `chunk ${digest.slice(0, 8)}`
    if (wholeDigest(object.body) === digest && !this.#world.ledger.damaged.has(digest)) {
      for (const [key, files] of finishedIn(objects)) {
        for (const named of digestsOf(files)) {
          if (named === digest) this.#fail('I1', `${chunk} of ${key} was removed by ${who}`)
        }
      }
    }
    if (sender === null) return
    const knower = this.#knower((sender.actor.process as SimProcess).fs.machine, digest)
    if (knower !== null) this.#fail('I14', `${chunk} was removed by ${who}, ${knower} knows it`)
    if (!sender.isLate) this.#checkAge(sender.actor, chunk, object)
  }

  /** I7: younger than the grace, by the store's own clock. */
  #checkAge(actor: Actor, chunk: string, { modifiedMs }: StoredObject): void {
    const run = this.#world.collections.get(actor)
    if (run === undefined || run.keptSinceMs === null) return
    const { clockOffsetMs } = this.#bucket.options
    if (modifiedMs - clockOffsetMs <= run.keptSinceMs + SECOND_MS) return
    this.#fail('I7', `${chunk} was removed within its grace`)
  }

  /** I14: who relies on an entry of the ledger. */
  #knower(machine: SimProcess['fs']['machine'], digest: string): string | null {
    for (const process of this.#world.processes) {
      if (!process.isAlive || process.fs.machine !== machine) continue
      for (const { core } of process.stores) {
        const { bucket } = core
        if (bucket === null || core.isClosed || bucket.isStale) continue
        if (bucket.ledger.knowsAt(digestToBytes(digest as Digest), 0) === null) continue
        return `the ledger of process ${process.id}`
      }
    }
    return null
  }

  #fail(invariant: string, text: string): void {
    this.#world.fail(new Violation(invariant, text))
  }
}

/** Whether somebody there was asked to remove it before, and did not end that: anybody there may. */
function isLeaving(actor: Actor, key: string): boolean {
  const { machine } = (actor.process as SimProcess).fs
  for (const visible of visibleSnapshots(machine.get(STORE_FOLDER))) {
    if (visible.key === key) return visible.folder.entries?.has(LEAVING) === true
  }
  return false
}
