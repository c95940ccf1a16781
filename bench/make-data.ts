/**
 * Makes the data of the benchmarks by seed: a disk image and a file tree.
 *
 *   make-data.ts image PATH [GIB] [SEED]    half random, a quarter text, a quarter zeros, in 8 MiB runs
 *   make-data.ts tree FOLDER [SEED]         2.7 GB in 116,528 entries
 */
import { mkdirSync, openSync, closeSync, writeFileSync, writeSync, ftruncateSync } from 'node:fs'
import { join } from 'node:path'
import { SeededRandom, SeededText } from './support/random.ts'

const MIB = 1 << 20
/** Length of one kind of data in the image: two fixed chunks of 4 MiB. */
const RUN_SIZE = 8 * MIB
const FOLDER_COUNT = 6528
const FILE_COUNT = 110_000
const TREE_SIZE = 2_700_000_000

/** Writes an image of `size` bytes: random, text, random, zeros, and again. */
export function makeImage(path: string, { size, seed }: { size: number; seed: string }): void {
  const random = new SeededRandom(`${seed} image`)
  const text = new SeededText(seed)
  const file = openSync(path, 'w')
  ftruncateSync(file, size)
  for (let offset = 0; offset < size; offset += RUN_SIZE) {
    const kind = (offset / RUN_SIZE) % 4
    if (kind === 3) continue
    const length = Math.min(RUN_SIZE, size - offset)
    writeSync(file, kind === 1 ? text.bytes(length) : random.bytes(length), 0, length, offset)
  }
  closeSync(file)
}

/** Overwrites one run of 4 MiB in every 64 MiB: the second day of a virtual machine. */
export function changeImage(path: string, { size, seed }: { size: number; seed: string }): void {
  const random = new SeededRandom(`${seed} change`)
  const file = openSync(path, 'r+')
  for (let offset = 0; offset < size; offset += 64 * MIB) {
    writeSync(file, random.bytes(4 * MIB), 0, Math.min(4 * MIB, size - offset), offset)
  }
  closeSync(file)
}

/** Writes 110,000 files into 6,527 folders below `root`: many small ones, few large, half of them text. */
export function makeTree(root: string, { seed }: { seed: string }): void {
  const random = new SeededRandom(`${seed} tree`)
  const text = new SeededText(`${seed} tree`)
  const folders = [root]
  mkdirSync(root, { recursive: true })
  while (folders.length < FOLDER_COUNT) {
    const parent = folders[random.below(Math.min(folders.length, 700))] as string
    const folder = join(parent, `folder-${folders.length}`)
    mkdirSync(folder)
    folders.push(folder)
  }
  const sizes = fileSizes(random)
  for (const [index, size] of sizes.entries()) {
    const folder = folders[random.below(folders.length)] as string
    const data = index % 2 === 0 ? text.bytes(size) : random.bytes(size)
    writeFileSync(join(folder, `file-${index}`), data)
  }
}

/** Sizes from some bytes to some MiB, evenly spread over the powers of two, scaled to the total. */
function fileSizes(random: SeededRandom): number[] {
  const raw = Array.from({ length: FILE_COUNT }, () => 2 ** (6 + random.below(1600) / 100))
  const scale = TREE_SIZE / raw.reduce((sum, size) => sum + size, 0)
  return raw.map((size) => Math.ceil(size * scale))
}

if (import.meta.main) {
  const [kind, path, ...rest] = process.argv.slice(2)
  if (kind === 'image' && path !== undefined) {
    makeImage(path, {
      size: Math.round(Number(rest[0] ?? 2) * 1024) * MIB,
      seed: rest[1] ?? 'cairn',
    })
  } else if (kind === 'tree' && path !== undefined) {
    makeTree(path, { seed: rest[0] ?? 'cairn' })
  } else {
    process.stderr.write('usage: make-data.ts image PATH [GIB] [SEED] | tree FOLDER [SEED]\n')
    process.exitCode = 2
  }
}
