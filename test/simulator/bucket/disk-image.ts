/** A copy of what a machine keeps, block by block: inode numbers are the same where it is put back. */
import type { Inode } from '../kernel/disk.ts'
import type { Machine } from '../kernel/machine.ts'
import { Random } from '../random.ts'

interface Saved {
  readonly name: string
  readonly kind: Inode['kind']
  readonly ino: number
  readonly mode: number
  readonly target: string
  readonly data: Uint8Array
  readonly timesMs: readonly [number, number, number]
  readonly entries: readonly Saved[]
}

/** What is kept of a machine; the rest is gone with a restart. */
const FOLDER = '/data'

export class DiskImage {
  readonly #saved: Saved

  private constructor(saved: Saved) {
    this.#saved = saved
  }

  static of(machine: Machine): DiskImage {
    return new DiskImage(save(machine.get(FOLDER)))
  }

  /** The machine's disk is as it was then; nobody is told. */
  putBack(machine: Machine): void {
    const { watcher } = machine
    machine.watcher = null
    if (machine.find(FOLDER).inode !== undefined) remove(machine, FOLDER)
    place(machine, FOLDER, this.#saved)
    const device = machine.root.device
    const last = lastNumber(this.#saved)
    while (device.takeNumber() < last);
    for (const one of machine.devices) one.syncAll()
    // Nothing is lost by it; it finds out which numbers are free.
    machine.cutPower(new Random(1))
    machine.watcher = watcher
  }
}

function save(inode: Inode): Saved {
  const { name, kind, ino, mode, target, data, atimeMs, mtimeMs, ctimeMs } = inode
  const entries = Array.from(inode.entries?.values() ?? [], save)
  const timesMs = [atimeMs, mtimeMs, ctimeMs] as const
  return { name, kind, ino, mode, target, data, timesMs, entries }
}

function place(machine: Machine, path: string, saved: Saved): void {
  if (saved.kind === 'folder') machine.mkdir(path)
  else if (saved.kind === 'link') machine.symlink(saved.target, path)
  else machine.open(path, 'create', 0o666).setData(saved.data, 0)
  for (const entry of saved.entries) place(machine, `${path}/${entry.name}`, entry)
  const inode = machine.get(path)
  const [atimeMs, mtimeMs, ctimeMs] = saved.timesMs
  const { ino, mode } = saved
  Object.assign(inode, { ino, mode, atimeMs, mtimeMs, ctimeMs })
}

function lastNumber({ ino, entries }: Saved): number {
  return entries.reduce((most, entry) => Math.max(most, lastNumber(entry)), ino)
}

function remove(machine: Machine, path: string): void {
  const inode = machine.get(path)
  for (const name of inode.entries?.keys() ?? []) remove(machine, `${path}/${name}`)
  if (inode.kind === 'folder') machine.rmdir(path)
  else machine.unlink(path)
}
