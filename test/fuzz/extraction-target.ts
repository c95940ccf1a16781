/**
 * Damaged and hostile archives extracted into a folder with traps in it: links that lead outside,
 * existing files. Nothing around the target may change, whatever the options are.
 */
import {
  chmodSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { SeededRandom } from '../../bench/support/random.ts'
import { hasCode, isAnySystemError } from '../../src/base/errors.ts'
import { readFileFlags, writeFileFlags } from '../../src/base/fs/native-file-flags.ts'
import { planExtraction } from '../../src/client/restore/extract.ts'
import { startExtraction } from '../../src/client/restore/extraction.ts'
import { fixturePieces, plainArchive, sampleArchive } from './archive-samples.ts'
import type { FuzzTarget } from './fuzz.ts'
import { expect } from './samples.ts'

/** Parts of names that lead out, of the length of what they replace: no size in the archive changes. */
const SWAPS: readonly (readonly [from: string, to: string])[] = [
  ['bb', '..'],
  ['cc', '..'],
  ['dd', './'],
  ['ee', '/e'],
  ['ff', 'aa'],
  ['gg', 'aa'],
  ['bb', 'aa'],
  ['bb/cc', '../cc'],
  ['bb/cc', 'aa/ki'],
  ['bb/cc', '/tmp/'],
  ['dir/f', 'aa/cc'],
  ['dir', '../'],
  ['hl', '..'],
]

/** FS_IMMUTABLE_FL and FS_APPEND_FL: nothing can be removed that has one. */
const LOCKING_FLAGS = 0x30

/** The target below the empty folder `folder`. */
export async function extractionTarget(folder: string): Promise<FuzzTarget> {
  const place = new TrappedPlace(folder)
  const plain = plainArchive()
  return {
    name: 'extraction',
    samples: [plain, plain, sampleArchive(), ...(await fixturePieces())],
    mayRefuseSamples: true,
    decode(bytes, random) {
      place.lay(random.below(2) === 0)
      try {
        extract(swapNames(bytes, random), place.target, random)
      } finally {
        place.clear()
      }
    },
    end: () => place.check(),
  }
}

function extract(bytes: Uint8Array, target: string, random: SeededRandom): void {
  const may = (): boolean => random.below(2) === 0
  const plan = planExtraction(target, {
    patterns: may() ? [] : ['**/c*', '!aa'],
    allowExistingDirs: may(),
    overwriteFiles: may(),
    overwriteSymlinks: may(),
    overwriteHardlinks: may(),
    ignoreOwnership: may(),
    ignoreXattrs: may(),
    ignoreAcls: may(),
    ignorePermissions: may(),
  })
  const onError = (error: Error): void => {
    if (!hasCode(error, 'EXTRACT_ENTRY_FAILED')) throw error
  }
  const run = startExtraction(plan, { onError: may() ? onError : null, onWarning: () => {} })
  try {
    for (let at = 0; at < bytes.length; at += 1000) run.push(bytes.subarray(at, at + 1000))
    run.finish()
  } finally {
    run.close()
  }
}

function swapNames(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const copy = Buffer.from(bytes)
  for (const [from, to] of SWAPS) {
    if (random.below(6) !== 0) continue
    for (let at = copy.indexOf(from); at >= 0; at = copy.indexOf(from, at + 1)) copy.write(to, at)
  }
  return new Uint8Array(copy)
}

/** The target, and beside it a tree that must stay as it is. */
class TrappedPlace {
  readonly target: string
  readonly #sentinel: string
  readonly #around: string
  readonly #before: string

  constructor(folder: string) {
    this.#around = join(folder, 'extraction')
    this.target = join(this.#around, 'target')
    this.#sentinel = join(this.#around, 'sentinel')
    mkdirSync(join(this.#sentinel, 'kids'), { recursive: true })
    for (const name of ['cc', 'ee', 'f', 'ki', 'kids/ee']) {
      writeFileSync(join(this.#sentinel, name), `untouched ${name}`, { mode: 0o640 })
    }
    writeFileSync(join(this.#around, 'cc'), 'untouched')
    this.#before = this.#describe()
  }

  /** Makes the target; with traps, links out of it stand where entries will want to be. */
  lay(hasTraps: boolean): void {
    mkdirSync(this.target)
    if (!hasTraps) return
    symlinkSync('../sentinel', join(this.target, 'aa'))
    symlinkSync('../sentinel', join(this.target, 'dir'))
    symlinkSync('../sentinel/cc', join(this.target, 'gg'))
    symlinkSync('../sentinel/new', join(this.target, 'hl'))
    mkdirSync(join(this.target, 'bb'))
    symlinkSync('../../sentinel/cc', join(this.target, 'bb', 'cc'))
    symlinkSync('../../sentinel/kids', join(this.target, 'bb', 'dd'))
    writeFileSync(join(this.target, 'ff'), 'existing')
    linkSync(join(this.target, 'ff'), join(this.target, 'l'))
  }

  /** Looks around and removes the target. */
  clear(): void {
    removeTree(this.target)
    expect(this.#describe() === this.#before, `everything around untouched:\n${this.#describe()}`)
  }

  check(): void {
    const names = readdirSync(this.#around)
    expect(names.join() === 'cc,sentinel', `nothing left beside the target: ${names.join()}`)
  }

  /** Name, kind, mode, owner, links, times and content of everything but the target. */
  #describe(): string {
    return [...this.#paths(this.#around)].join('\n')
  }

  *#paths(folder: string): Generator<string> {
    for (const name of readdirSync(folder).toSorted()) {
      const path = join(folder, name)
      if (path === this.target) continue
      const { mode, uid, gid, nlink, mtimeNs } = lstatSync(path, { bigint: true })
      const isFolder = (mode & BigInt(constants.S_IFMT)) === BigInt(constants.S_IFDIR)
      const content = isFolder ? '' : contentOf(path)
      yield `${path} ${mode} ${uid} ${gid} ${nlink} ${mtimeNs} ${content}`
      if (isFolder) yield* this.#paths(path)
    }
  }
}

function contentOf(path: string): string {
  return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : readFileSync(path, 'utf8')
}

/** Archives may say `immutable`, or take their owner's permissions: both stand in the way. */
function removeTree(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch (error) {
    if (!isAnySystemError(error)) throw error
    unlock(path)
    rmSync(path, { recursive: true, force: true })
  }
}

function unlock(path: string): void {
  const stat = lstatSync(path)
  if (stat.isFile() || stat.isDirectory()) dropFlags(path)
  if (!stat.isDirectory()) return
  chmodSync(path, 0o700)
  for (const name of readdirSync(path)) unlock(join(path, name))
}

function dropFlags(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const flags = readFileFlags(fd) ?? 0
    if ((flags & LOCKING_FLAGS) !== 0) writeFileFlags(fd, flags & ~LOCKING_FLAGS)
  } finally {
    closeSync(fd)
  }
}
