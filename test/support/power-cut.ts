/**
 * Loses power on a real file system, without kernel modules: an image on a loop device whose file system is
 * stopped by the kernel's shutdown call, so that what was not yet on stable storage is gone. Needs root.
 */
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  rmdirSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { nativeCall } from '../../src/base/fs/native.ts'
import { captureDisk, type DiskImage, writeImage } from './disk-image.ts'

const EXT4_OPTIONS = ['-E', 'lazy_itable_init=0', '-J', 'size=4']
/** A rename does not wait for what is written, the journal not for the disk. */
const EXT4_UNSAFE = 'noauto_da_alloc,nobarrier'
/** Less than xfs wants for use. */
const XFS_OPTIONS = ['--unsupported', '-l', 'size=8m']
const IMAGE_SIZE = 512 << 20
/** The mount is busy until killed processes have left it. */
const UNMOUNT_ATTEMPTS_MAX = 400
/** `FS_IOC_SHUTDOWN`, and its ways: what the journal holds in memory is written first, or is lost as well. */
const SHUTDOWN = 0x8004_587d
const WITH_LOG = 1
const WITHOUT_LOG = 2
const IOCTL = 'int ioctl(int fd, unsigned long request, const uint32_t *argument)'
const UMOUNT = 'int umount2(const char *target, int flags)'
/** `MNT_DETACH`. */
const DETACH = 2
const MOUNT =
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)'

export type CutFileSystem = 'ext4' | 'xfs'

/** Why a power cut cannot be played here, or null. */
export function powerCutLacks(kind: CutFileSystem): string | null {
  if (process.getuid?.() !== 0) return 'needs root'
  for (const program of [`mkfs.${kind}`, 'losetup', 'fallocate']) {
    if (spawnSync('which', [program]).status !== 0) return `needs ${program}`
  }
  return null
}

/** A file system of its own mounted at `folder`, until it is disposed. */
export class CutDisk implements Disposable {
  readonly folder: string
  readonly #kind: CutFileSystem
  readonly #image: string
  readonly #device: string

  constructor(folder: string, kind: CutFileSystem) {
    this.folder = folder
    this.#kind = kind
    this.#image = `${folder}.img`
    mkdirSync(folder, { recursive: true })
    writeFileSync(this.#image, '')
    truncateSync(this.#image, IMAGE_SIZE)
    // Small journals: they are most of what an image of the disk holds.
    if (kind === 'ext4') run('mkfs.ext4', '-q', '-F', ...EXT4_OPTIONS, this.#image)
    else run('mkfs.xfs', '-q', '-f', ...XFS_OPTIONS, this.#image)
    run('fallocate', '--dig-holes', this.#image)
    this.#device = run('losetup', '--find', '--show', this.#image).trim()
    this.#mount()
  }

  /** Loses power and mounts what is left; processes with open files below must have been killed. */
  cut(): void {
    this.stop()
    this.restart()
  }

  /**
   * Loses power: calls below the folder fail from now on. `withLog`: after the last commit of the journal, which then
   * names what was not written.
   */
  stop({ withLog = false }: { readonly withLog?: boolean } = {}): void {
    const file = openSync(this.folder, 'r')
    try {
      const way = new Uint8Array(Uint32Array.of(withLog ? WITH_LOG : WITHOUT_LOG).buffer)
      nativeCall(IOCTL, [file, SHUTDOWN, way], { path: this.folder })
    } finally {
      closeSync(file)
    }
  }

  /** Mounts what is left after `stop`. Throws when somebody has not closed what he had open. */
  restart(): void {
    this.#unmount()
    this.#mount()
  }

  /** What the disk holds; mounted, what a cut at this moment would leave, and the file system goes on. */
  capture(): DiskImage {
    return captureDisk(this.#image, this.#device)
  }

  /** Unmounts after `stop`. Throws as `restart`. */
  remove(): void {
    this.#unmount()
  }

  /** Gives up the space of what was removed: nothing of it is in an image then. */
  trim(): void {
    run('fstrim', this.folder)
  }

  /** Mounts a disk that holds `image`, after `remove`; `isThrownAway`: it loses no power, and nothing waits for it. */
  insert(image: DiskImage, { isThrownAway = false } = {}): void {
    writeImage(this.#image, image)
    this.#mount(isThrownAway && this.#kind === 'ext4' ? EXT4_UNSAFE : null)
  }

  [Symbol.dispose](): void {
    // After a failure something may still be at work: the failure is what must be heard.
    nativeCall(UMOUNT, [this.folder, DETACH], { allowed: ['EINVAL'] })
    run('losetup', '--detach', this.#device)
    rmSync(this.#image, { force: true })
    rmdirSync(this.folder)
  }

  #mount(options: string | null = null): void {
    nativeCall(MOUNT, [this.#device, this.folder, this.#kind, 0, options], { path: this.folder })
  }

  #unmount(): void {
    for (let attempt = 0; attempt < UNMOUNT_ATTEMPTS_MAX; attempt++) {
      if (nativeCall(UMOUNT, [this.folder, 0], { allowed: ['EBUSY'] }) !== null) return
      // Not a wait for something of our own: a killed process is leaving.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
    }
    throw new Error(`${this.folder} is busy: ${openFilesBelow(this.folder).join(', ')}`)
  }
}

/** What this process has open below `folder`. */
export function openFilesBelow(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${name}`)
      return path.startsWith(folder) ? [path] : []
    } catch {
      return []
    }
  })
}

function run(program: string, ...args: readonly string[]): string {
  const { status, stderr, stdout, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${String(error ?? stderr)}`)
  return stdout
}
