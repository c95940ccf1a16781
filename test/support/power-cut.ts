/**
 * Loses power on a real file system, without kernel modules: an image on a loop device whose file system is
 * stopped by the kernel's shutdown call, so that what was not yet on stable storage is gone. Needs root.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, rmdirSync, truncateSync, writeFileSync } from 'node:fs'

const IMAGE_SIZE = 512 << 20
/** The mount is busy until killed processes have left it. */
const UNMOUNT_ATTEMPTS_MAX = 400

export type CutFileSystem = 'ext4' | 'xfs'

/** Why a power cut cannot be played here, or null. */
export function powerCutLacks(kind: CutFileSystem): string | null {
  if (process.getuid?.() !== 0) return 'needs root'
  for (const program of ['xfs_io', `mkfs.${kind}`, 'mount']) {
    if (spawnSync('which', [program]).status !== 0) return `needs ${program}`
  }
  return null
}

/** A file system of its own mounted at `folder`, until it is disposed. */
export class CutDisk implements Disposable {
  readonly folder: string
  readonly #image: string

  constructor(folder: string, kind: CutFileSystem) {
    this.folder = folder
    this.#image = `${folder}.img`
    mkdirSync(folder, { recursive: true })
    writeFileSync(this.#image, '')
    truncateSync(this.#image, IMAGE_SIZE)
    if (kind === 'ext4') run('mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=0', this.#image)
    else run('mkfs.xfs', '-q', '-f', this.#image)
    this.#mount()
  }

  /** Loses power and mounts what is left; processes with open files below must have been killed. */
  cut(): void {
    run('xfs_io', '-x', '-c', 'shutdown', this.folder)
    this.#unmount()
    this.#mount()
  }

  [Symbol.dispose](): void {
    this.#unmount()
    rmSync(this.#image, { force: true })
    rmdirSync(this.folder)
  }

  #mount(): void {
    run('mount', '-o', 'loop', this.#image, this.folder)
  }

  #unmount(): void {
    for (let attempt = 0; attempt < UNMOUNT_ATTEMPTS_MAX; attempt++) {
      if (spawnSync('umount', [this.folder]).status === 0) return
    }
    run('umount', this.folder)
  }
}

function run(program: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args)
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${String(error ?? stderr)}`)
}
