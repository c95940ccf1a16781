/**
 * The invariants of datastore-semantics.md section 2, looked at whenever something happened that can break one: a chunk
 * went, a snapshot went or came, power was cut. Between such steps none of them can change.
 */
import type { Device, Inode } from './kernel/disk.ts'
import type { Watcher } from './kernel/machine.ts'
import { INDEX_NAME, MANIFEST, placeOf, visibleSnapshots } from './places.ts'
import {
  findChunk,
  isChunkWhole,
  readDigests,
  referencesOf,
  wholeDigest,
  whyNotRestorable,
} from './restore.ts'
import type { Actor } from './actor.ts'
import { Violation } from './violation.ts'
import type { StoreCore } from '../../src/datastore/store-core.ts'
import type { SimProcess } from './sim-process.ts'
import type { Ledger } from './ledger.ts'

/** A backup session as the checker sees it. */
export interface LiveWriter {
  readonly actor: Actor
  /** `host/g1`, with `m:` before it in namespace `m`. */
  readonly group: string
  readonly key: string
  readonly baseKey: string | null
  /** Chunks that it wrote itself: finish does not look at these again. */
  readonly written: Set<string>
  /** Step at which the client asked to finish; null before. */
  finishStep: number | null
}

export interface LiveReader {
  readonly key: string
  readonly process: SimProcess
}

export interface CollectionRun {
  readonly core: StoreCore
  readonly isSinglePass: boolean
  /** Step since which it hears of sessions; null before. */
  activeSinceStep: number | null
  /** What it was told that must stop it, unless it reads that file again; null if nothing. */
  failedStep: { readonly what: string; readonly path: string } | null
  /** Step at which it looked into a chunk folder last. */
  listedAtStep: number
  /** Wall time since which a file may have been written that this run has to keep; null before it is known. */
  keptSinceMs: number | null
  /** How far the wall clock was ahead of the monotonic one when it began to hear; null before. */
  startOffsetMs: number | null
}

/** What the checker looks at. */
export interface Scene {
  /** The store's folder, whatever is mounted. */
  readonly store: Inode
  readonly disk: Device
  readonly ledger: Ledger
  readonly processes: readonly SimProcess[]
  readonly liveWriters: Set<LiveWriter>
  readonly readers: ReadonlySet<LiveReader>
  readonly foreignSessions: ReadonlySet<ReadonlySet<string>>
  readonly collections: ReadonlyMap<Actor, CollectionRun>
  readonly confirmedAtStep: ReadonlyMap<string, number>
  readonly stepCount: number
  /** Step at which the wall clock was set last. */
  readonly clockSetAtStep: number
  readonly clockOffsetMs: number
  readonly lastActor: Actor | null
  /** Step after which the call was asked for that takes effect now. */
  readonly askedAtStep: number
  /** The schedule itself removes or damages something. */
  readonly isDestroying: boolean
  isForeign(actor: Actor | null): boolean
  /** The file of active operations says something else now. */
  usesChanged(content: Uint8Array): void
  fail(violation: Violation): void
}

/** Smaller steps are clocks that are steered. */
const CLOCK_STEP_MAX_MS = 60_000
const HIDDEN = '/.removed-'
/** Of the file that counts uses, one for each datastore. */
const ACTIVE_FOLDER = 'active-operations'
/** As it stands in a manifest. */
export const VERIFY_STATE = '"verify_state"'

export class Checker implements Watcher {
  readonly #world: Scene
  /** Step at which a chunk went, and who took it. */
  readonly #gone = new Map<string, { readonly step: number; readonly by: Actor | null }>()

  constructor(world: Scene) {
    this.#world = world
  }

  placed(): void {}

  removed(inode: Inode): void {
    const place = placeOf(inode.path)
    if (place === null) return
    if (place.kind === 'chunk') return this.#chunkGone(place.digest, inode, 'removed')
    if (!this.#isOurs()) return
    const isPart = place.file === MANIFEST || INDEX_NAME.test(place.file)
    const isListed = inode.parent?.entries?.has(MANIFEST) === true
    if (isPart && isListed) this.#fail('I13', `${place.file} of the visible ${place.key} removed`)
  }

  moved(inode: Inode, from: { readonly folder: Inode; readonly name: string }): void {
    const oldPath = `${from.folder.path}/${from.name}`
    if (inode.parent?.name === ACTIVE_FOLDER) this.#world.usesChanged(inode.data)
    const before = placeOf(oldPath)
    const after = placeOf(inode.path)
    if (before?.kind === 'chunk') this.#chunkGone(before.digest, inode, 'renamed')
    if (after?.kind === 'chunk') this.#chunkPlaced(after.digest, inode)
    if (before?.kind === 'snapshot' && before.file === '' && inode.kind === 'folder') {
      this.#snapshotMoved(before.key, inode)
    }
    if (after?.kind === 'snapshot' && after.file === MANIFEST) this.#published(after.key, inode)
    if (before === null && inode.kind === 'folder' && oldPath.includes(HIDDEN) && after !== null) {
      this.#fail('R-61', `a snapshot on its way out was renamed back to ${inode.path}`)
    }
  }

  /** A session begins: the only one of its group (I9). */
  sessionBegins(writer: LiveWriter): void {
    for (const other of this.#world.liveWriters) {
      if (other.group === writer.group) this.#fail('I9', `two sessions write ${writer.group}`)
    }
  }

  /** Everything listed restores (I2, I23). To be called after a power cut, before anything runs again, and at the end. */
  checkAll(when: string): void {
    const { ledger, store } = this.#world
    for (const { key, folder } of visibleSnapshots(store)) {
      if (folder.entries?.has(MANIFEST) !== true || ledger.excused.has(key)) continue
      const archives = ledger.snapshots.get(key)?.archives ?? null
      const why = whyNotRestorable(store, folder, { archives, damaged: ledger.damaged })
      if (why !== null) this.#fail('I23', `${key} does not restore ${when}: ${why}`)
    }
  }

  /** What clients were promised is there. */
  checkPromises(when: string): void {
    const { ledger, store } = this.#world
    const visible = new Map([...visibleSnapshots(store)].map(({ key, folder }) => [key, folder]))
    for (const [key, { isAnswered, mayBeGone }] of ledger.snapshots) {
      if (!isAnswered || mayBeGone || ledger.excused.has(key)) continue
      const folder = visible.get(key)
      if (folder?.entries?.has(MANIFEST) !== true) {
        this.#fail('I23', `${key} was answered as finished and is gone ${when}`)
      }
    }
  }

  /** I18: the last notes and what a verification said are there, whatever else was written into the manifest. */
  checkNotes(): void {
    const { ledger, store } = this.#world
    for (const { key, folder } of visibleSnapshots(store)) {
      const manifest = folder.entries?.get(MANIFEST)
      const expected = ledger.snapshots.get(key)
      if (manifest === undefined || expected === undefined || ledger.excused.has(key)) continue
      const text = Buffer.from(manifest.data)
      if (expected.notes !== null && !text.includes(JSON.stringify(expected.notes))) {
        this.#fail('I18', `the notes of ${key} are lost`)
      }
      if (expected.isVerified && !text.includes(VERIFY_STATE)) {
        this.#fail('I18', `the state of the verification of ${key} is lost`)
      }
    }
  }

  /** I23: what is answered as finished has reached the disk, even if nobody cuts the power now. */
  checkDurable(key: string): void {
    const { ledger, store } = this.#world
    for (const { key: found, folder } of visibleSnapshots(store)) {
      if (found !== key) continue
      for (const [name, inode] of folder.entries ?? []) {
        if (inode.isLost) this.#fail('I23', `${key} was answered as finished, its ${name} is lost`)
      }
      for (const digest of referencesOf(folder)) {
        if (ledger.damaged.has(digest) || findChunk(store, digest)?.isLost !== true) continue
        const chunk = `chunk ${digest.slice(0, 8)}`
        this.#fail('I23', `${key} was answered as finished, its ${chunk} never reached the disk`)
      }
    }
  }

  /** I3: a client that is told of a chunk may rely on it. */
  checkStored(digest: string): void {
    const { ledger, store } = this.#world
    if (ledger.damaged.has(digest) || findChunk(store, digest) !== undefined) return
    this.#fail('I3', `chunk ${digest.slice(0, 8)} was answered as stored and is not there`)
  }

  /** What is in the manifest of a visible snapshot now. */
  manifestOf(key: string): Buffer | null {
    for (const { key: found, folder } of visibleSnapshots(this.#world.store)) {
      const manifest = found === key ? folder.entries?.get(MANIFEST) : undefined
      if (manifest !== undefined) return Buffer.from(manifest.data)
    }
    return null
  }

  /** As `manifestOf`, if all places that have one say the same of verifications. */
  manifestOfAll(key: string): Buffer | null {
    return this.manifestOf(key)
  }

  /** Whether a visible index or a live session relies on the digest; how it is called. */
  holderOf(digest: string): string | null {
    for (const { key, folder } of visibleSnapshots(this.#world.store)) {
      for (const found of referencesOf(folder)) if (found === digest) return `the visible ${key}`
    }
    return this.#sessionWith(digest)
  }

  #sessionWith(digest: string): string | null {
    for (const process of this.#world.processes) {
      if (!process.isAlive) continue
      for (const { core } of process.stores) {
        for (const session of core.sessions) {
          if (session.digests.has(digest as never)) return `a live session of process ${process.id}`
        }
      }
    }
    for (const session of this.#world.foreignSessions) {
      if (session.has(digest)) return 'a live session of another program'
    }
    return null
  }

  #chunkGone(digest: string, inode: Inode, how: 'removed' | 'renamed'): void {
    const by = this.#world.isDestroying ? null : this.#world.lastActor
    this.#gone.set(digest, { step: this.#world.stepCount, by })
    if (this.#world.isDestroying) return
    const wasWhole = wholeDigest(inode.data) === digest
    if (how === 'renamed' && !wasWhole) return
    const holder = this.holderOf(digest)
    if (holder === null) {
      this.#checkConfirmed(digest, inode, how)
      return
    }
    const actor = this.#world.lastActor
    const what = how === 'removed' ? 'removed' : 'renamed as bad though it is whole'
    this.#fail('I1', `chunk ${digest.slice(0, 8)} of ${holder} was ${what} by ${actor?.name}`)
  }

  /** I7: what was confirmed since a run began is not its to remove. */
  #checkConfirmed(digest: string, inode: Inode, how: string): void {
    const run = this.#world.collections.get(this.#world.lastActor as Actor)
    if (run === undefined || how !== 'removed') return
    this.#checkClock(run)
    const confirmed = this.#world.confirmedAtStep.get(digest) ?? -1
    if (run.isSinglePass && confirmed > (run.activeSinceStep ?? Infinity)) {
      this.#fail('I7', `chunk ${digest.slice(0, 8)} was confirmed after the collection began`)
    }
    if (run.keptSinceMs !== null && inode.mtimeMs >= run.keptSinceMs) {
      this.#fail('I7', `chunk ${digest.slice(0, 8)} was removed within its grace`)
    }
    if (run.failedStep !== null) {
      const { what, path } = run.failedStep
      const chunk = `chunk ${digest.slice(0, 8)}`
      this.#fail('I8', `a collection removed ${chunk} after an error of ${what} ${path}`)
    }
  }

  /** I21: a clock that was set before the chunks were listed stops the run. */
  #checkClock({ startOffsetMs, listedAtStep }: CollectionRun): void {
    const { clockSetAtStep, clockOffsetMs } = this.#world
    if (startOffsetMs === null || clockSetAtStep >= listedAtStep) return
    if (Math.abs(clockOffsetMs - startOffsetMs) <= CLOCK_STEP_MAX_MS) return
    this.#fail('I21', 'a collection went on though the clock was set')
  }

  #chunkPlaced(digest: string, inode: Inode): void {
    const { ledger, disk } = this.#world
    if (wholeDigest(inode.data) === digest) {
      const isHealed = ledger.damaged.delete(digest) || ledger.healed.get(digest) === Infinity
      if (isHealed) ledger.healed.set(digest, disk.syncCount)
    } else if (!inode.isRotten)
      this.#fail('I4', `chunk ${digest.slice(0, 8)} got its name without its content`)
  }

  #snapshotMoved(key: string, folder: Inode): void {
    const { ledger, lastActor } = this.#world
    const after = placeOf(folder.path)
    if (after?.kind === 'snapshot' && after.file === '') return ledger.moved(key, after.key)
    for (const writer of this.#world.liveWriters) {
      if (writer.actor === lastActor) continue
      const part = writer.baseKey === key ? 'the base' : writer.key === key ? 'the snapshot' : null
      if (part !== null) this.#fail('I10', `${part} ${key} of a live session was removed`)
    }
    for (const reader of this.#world.readers) {
      if (reader.key === key) this.#fail('I11', `${key} was removed while it is read`)
    }
    if (folder.entries?.has('.protected') === true) {
      this.#fail('I12', `the protected ${key} was removed by ${lastActor?.name}`)
    }
    const expected = ledger.snapshots.get(key)
    if (expected !== undefined) expected.mayBeGone = true
  }

  /** I2, I3: an index of a snapshot that becomes finished names only chunks that are there. */
  #published(key: string, manifest: Inode): void {
    const { ledger, store, liveWriters } = this.#world
    const folder = manifest.parent as Inode
    const writer = [...liveWriters].find((writer) => writer.key === key)
    // Its locks go with the answer, which follows.
    if (writer !== undefined) liveWriters.delete(writer)
    for (const [name, index] of folder.entries ?? []) {
      if (!INDEX_NAME.test(name)) continue
      const digests = readDigests(name, index.data)
      if (digests === null) this.#fail('I2', `${key} became finished with a damaged ${name}`)
      for (const digest of digests ?? []) {
        if (writer !== undefined) this.#checkMissing(writer, digest)
        if (ledger.damaged.has(digest) || isChunkWhole(store, digest)) continue
        const state = findChunk(store, digest) === undefined ? 'missing' : 'damaged'
        this.#fail('I2', `${key} became finished; its chunk ${digest.slice(0, 8)} is ${state}`)
      }
    }
  }

  /** I3: what was missing when finish began, or was taken away by this process, ends a session. */
  #checkMissing(writer: LiveWriter, digest: string): void {
    if (findChunk(this.#world.store, digest) !== undefined) return
    const gone = this.#gone.get(digest)
    if (gone === undefined) return
    const isUnseen = gone.by === null && writer.written.has(digest)
    const wasMissing = !isUnseen && writer.finishStep !== null && gone.step < writer.finishStep
    // Once the rename is on its way to the kernel, the chunk went after the snapshot was finished.
    const isBefore = gone.step <= this.#world.askedAtStep
    const wasTakenHere = isBefore && gone.by?.process === writer.actor.process
    if (!wasMissing && !wasTakenHere) return
    this.#fail('I3', `${writer.key} became finished without its chunk ${digest.slice(0, 8)}`)
  }

  #isOurs(): boolean {
    return !this.#world.isDestroying && !this.#world.isForeign(this.#world.lastActor)
  }

  #fail(invariant: string, text: string): void {
    this.#world.fail(new Violation(invariant, text))
  }
}
