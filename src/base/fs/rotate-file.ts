/**
 * Rotation of growing files: `name` → `name.1.zst` → `name.2.zst` …, compressed, the oldest removed.
 * Order: the newest copy is complete before the original is emptied away, so that a crash repeats lines, never
 * loses them.
 */
import { promisify } from 'node:util'
import { zstdCompress } from 'node:zlib'
import { isSystemError } from '../errors.ts'
import { atomicWrite } from './atomic-write.ts'
import type { FileSystem } from './file-system.ts'

const compress = promisify(zstdCompress)

export interface RotateOptions {
  /** How many compressed files stay. */
  readonly filesMax: number
}

/** Names of the rotated files of `path`, newest first. */
export function rotatedNames(path: string, filesMax: number): string[] {
  return Array.from({ length: filesMax }, (_none, index) => `${path}.${index + 1}.zst`)
}

/** Moves `path` away as the newest compressed file, with its mode and owner. */
export async function rotateFile(
  fs: FileSystem,
  path: string,
  options: RotateOptions,
): Promise<void> {
  const names = rotatedNames(path, options.filesMax)
  const stat = await fs.stat(path)
  const data = await compress(await fs.readFile(path))
  for (let index = names.length - 1; index > 0; index -= 1) {
    await renameIfThere(fs, names[index - 1] ?? '', names[index] ?? '')
  }
  const owner = process.geteuid?.() === 0 ? { uid: stat.uid, gid: stat.gid } : undefined
  await atomicWrite(fs, names[0] ?? '', data, { mode: stat.mode & 0o7777, owner, durable: true })
  await fs.unlink(path)
}

async function renameIfThere(fs: FileSystem, from: string, to: string): Promise<void> {
  try {
    await fs.rename(from, to)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
}
