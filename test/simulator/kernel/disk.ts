/**
 * One simulated disk and its inodes: its journal of names and sizes, its unwritten data, and what a power cut makes of
 * them.
 */
import type { Random } from '../random.ts'

export type InodeKind = 'file' | 'folder' | 'link'
export type LockMode = 'shared' | 'exclusive'

export const NO_BYTES = new Uint8Array(0)

export class Inode {
  readonly device: Device
  /** Numbers are used again as soon as nobody has the file open: ext4 does. */
  readonly ino: number
  readonly kind: InodeKind
  mode: number
  nlink = 0
  openCount = 0
  /** Milliseconds, cut to what the file system keeps. */
  atimeMs: number
  mtimeMs: number
  ctimeMs: number

  /** Content as every reader sees it; replaced as a whole, never changed in place. */
  data: Uint8Array = NO_BYTES
  /** Content that has reached the disk; beyond its end there are zeros. */
  stable: Uint8Array = NO_BYTES
  isDirty = false
  /** Its write-back failed: memory shows what the disk never got. */
  isLost = false
  /** Readers find less than what was written, since the disk failed. */
  isRotten = false
  /** Raised by a failed write-back. */
  errorCount = 0
  /** How many of them somebody heard of. */
  heardCount = 0

  /** Of a folder. */
  readonly entries: Map<string, Inode> | null
  /** Of a link. */
  target = ''
  /** Where it was linked last. */
  parent: Inode | null = null
  name = ''
  /** Root of the file system mounted over this folder. */
  mounted: Inode | null = null

  /** Descriptors with a record lock, with a flock; few files ever have one. */
  #recordLocks: Map<object, LockMode> | null = null
  #flocks: Map<object, LockMode> | null = null

  constructor(device: Device, kind: InodeKind, made: { mode: number; nowMs: number }) {
    this.device = device
    this.ino = device.takeNumber()
    this.kind = kind
    this.mode = made.mode
    this.atimeMs = this.mtimeMs = this.ctimeMs = made.nowMs
    this.entries = kind === 'folder' ? new Map() : null
  }

  get size(): number {
    return this.data.length
  }

  locksOf(scope: 'record' | 'flock'): Map<object, LockMode> {
    if (scope === 'record') return (this.#recordLocks ??= new Map())
    return (this.#flocks ??= new Map())
  }

  hasLockOf(holder: object): boolean {
    return this.#recordLocks?.has(holder) === true || this.#flocks?.has(holder) === true
  }

  endLocksOf(holder: object): void {
    this.#recordLocks?.delete(holder)
    this.#flocks?.delete(holder)
  }

  endLocks(): void {
    this.#recordLocks = this.#flocks = null
  }

  /** Replaces the content; its length is in the journal, its bytes reach the disk when they do. */
  setData(data: Uint8Array, nowMs: number): void {
    const { data: oldData, stable: oldStable } = this
    if (data.length !== oldData.length) {
      this.device.log(() => {
        this.data = oldData
        // What was cut off is there again: its blocks were not given back yet.
        this.stable = oldStable
      })
      if (data.length < this.stable.length) this.stable = this.stable.subarray(0, data.length)
    }
    this.data = data
    this.mtimeMs = this.ctimeMs = nowMs
    this.isDirty = true
    this.isLost = false
    this.device.dirty.add(this)
  }

  /** The bytes reach the disk. */
  writeBack(): void {
    if (this.isDirty) this.stable = this.data
    this.isDirty = false
    this.device.dirty.delete(this)
  }

  /** What a reader finds after the power was cut: of unwritten bytes, those before `keptSize` were written by chance. */
  contentAfterCut(keptSize: number): Uint8Array {
    if (!this.isDirty && !this.isLost) return this.data
    const kept = this.isDirty ? Math.min(keptSize, this.data.length) : 0
    const content = new Uint8Array(this.data.length)
    content.set(this.stable.subarray(0, content.length))
    content.set(this.data.subarray(0, kept))
    return content
  }

  /** Absolute, as it was linked last. */
  get path(): string {
    if (this.parent === null) return ''
    return `${this.parent.path}/${this.name}`
  }
}

/** An entry of a folder. */
export interface NamePlace {
  readonly folder: Inode
  readonly name: string
}

export class Device {
  readonly number: bigint
  /** Memory only: nothing is left after a power cut. */
  readonly isVolatile: boolean
  readonly root: Inode
  /** Files whose content has not reached the disk. */
  readonly dirty = new Set<Inode>()
  /** Raised by each failed write-back. */
  errorCount = 0
  /** How many of them somebody heard of. */
  heardCount = 0
  /** Whether a descriptor that is opened later hears of what nobody heard of: Linux, unless the inode left memory. */
  tellsLate = true
  /** Complete syncs. */
  syncCount = 0
  /** How to take back each change of names and sizes since the last commit, oldest first. */
  #journal: (() => void)[] = []
  #free: number[] = []
  #nextNumber = 2
  #takenCount = 0

  constructor(number: number, options: { readonly isVolatile: boolean; readonly nowMs: number }) {
    this.number = BigInt(number)
    this.isVolatile = options.isVolatile
    this.root = new Inode(this, 'folder', { mode: 0o755, nowMs: options.nowMs })
    this.root.nlink = 1
  }

  takeNumber(): number {
    this.#takenCount += 1
    if (this.#free.length === 0) {
      this.#nextNumber += 1
      return this.#nextNumber - 1
    }
    // Any of them: what was freed with the file that is made now must be able to meet it.
    const [used = 0] = this.#free.splice((this.#takenCount * 7) % this.#free.length, 1)
    return used
  }

  /** To be called when a link or a descriptor of it went. */
  giveBackIfUnused(inode: Inode): void {
    if (inode.nlink > 0 || inode.openCount > 0) return
    this.dirty.delete(inode)
    this.#free.push(inode.ino)
  }

  /** Notes a change of the journal by how it is taken back. */
  log(undo: () => void): void {
    if (!this.isVolatile) this.#journal.push(undo)
  }

  /** Puts `child` (null: nothing) under `name`. */
  setEntry(folder: Inode, name: string, child: Inode | null): void {
    const entries = folder.entries as Map<string, Inode>
    const before = entries.get(name) ?? null
    const place = child === null ? null : { parent: child.parent, name: child.name }
    this.log(() => {
      if (child !== null) Object.assign(child, place)
      linkAs(folder, name, before)
    })
    linkAs(folder, name, child)
  }

  /** `child` gets another name: one record of the journal, so a cut leaves it under one of the two. */
  moveEntry(from: NamePlace, to: NamePlace, child: Inode): void {
    const replaced = to.folder.entries?.get(to.name) ?? null
    const { parent, name } = child
    this.log(() => {
      linkAs(to.folder, to.name, replaced)
      linkAs(from.folder, from.name, child)
      Object.assign(child, { parent, name })
    })
    linkAs(from.folder, from.name, null)
    linkAs(to.folder, to.name, child)
  }

  /** All names and sizes so far are durable. */
  commit(): void {
    this.#journal.length = 0
  }

  /** Everything is on the disk. */
  syncAll(): void {
    for (const inode of this.dirty) inode.writeBack()
    this.commit()
    this.syncCount += 1
  }

  /** Some files, by chance, are written back; no name or size becomes durable by it. */
  writeBackSome(random: Random): void {
    for (const inode of this.dirty) if (random.chance(0.5)) inode.writeBack()
  }

  /** The unwritten data is given up; descriptors hear of it once each. */
  failWriteBack(): boolean {
    if (this.dirty.size === 0) return false
    this.errorCount += 1
    for (const inode of this.dirty) {
      inode.errorCount += 1
      inode.isLost = true
      inode.isDirty = false
    }
    this.dirty.clear()
    return true
  }

  /** Memory gives pages back: what the disk never got is gone for readers, too. */
  dropCaches(): void {
    for (const inode of this.files()) {
      if (!inode.isLost) continue
      inode.data = inode.contentAfterCut(0)
      inode.isLost = false
      inode.isRotten = true
    }
  }

  /** A prefix of the journal survives, and of unwritten content what chance had written. */
  cutPower(random: Random): void {
    if (this.isVolatile) this.root.entries?.clear()
    // Often a commit came right before.
    const { length } = this.#journal
    const survived = random.chance(0.4) ? length : random.below(length + 1)
    while (this.#journal.length > survived) this.#journal.pop()?.()
    this.#journal.length = 0
    const used = new Set<number>([this.root.ino])
    for (const inode of this.files()) {
      used.add(inode.ino)
      inode.openCount = 0
      inode.endLocks()
      if (!inode.isDirty && !inode.isLost) continue
      const kept = random.pick([0, 0, random.below(inode.size + 1), inode.size])
      inode.data = inode.contentAfterCut(kept)
      inode.stable = inode.data
      inode.isDirty = inode.isLost = false
    }
    this.dirty.clear()
    this.#free = []
    for (let ino = this.#nextNumber - 1; ino >= 2; ino -= 1)
      if (!used.has(ino)) this.#free.push(ino)
  }

  /** All inodes below the root, folders included. */
  *files(folder: Inode = this.root): Generator<Inode> {
    for (const inode of folder.entries?.values() ?? []) {
      yield inode
      if (inode.kind === 'folder') yield* this.files(inode)
    }
  }
}

function linkAs(folder: Inode, name: string, child: Inode | null): void {
  const entries = folder.entries as Map<string, Inode>
  const before = entries.get(name)
  if (before !== undefined) before.nlink -= 1
  if (child === null) entries.delete(name)
  else {
    entries.set(name, child)
    child.nlink += 1
    child.parent = folder
    child.name = name
  }
}
