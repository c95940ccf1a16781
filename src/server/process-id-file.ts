/** `proxy.pid` in the run folder: the process that serves, for administrators, scripts and `cairn reload`. */
import { join } from 'node:path'
import { isSystemError } from '../base/errors.ts'
import { atomicWrite } from '../base/fs/atomic-write.ts'
import type { FileSystem } from '../base/fs/file-system.ts'

interface ProcessIdFile {
  /** The run folder. */
  readonly run: string
  readonly pid: number
}

/** Says that `pid` serves from now on. */
export async function writeProcessId(fs: FileSystem, { run, pid }: ProcessIdFile): Promise<void> {
  const text = Buffer.from(`${pid}\n`)
  // As root: whoever owns the folder, a stock server that comes back, writes it next.
  const { uid, gid } = await fs.stat(run)
  const owner = process.geteuid?.() === 0 ? { uid, gid } : undefined
  await atomicWrite(fs, processIdPath(run), text, { mode: 0o644, owner, durable: false })
}

/** The process that serves; null without one. */
export async function readProcessId(fs: FileSystem, run: string): Promise<number | null> {
  try {
    const text = Buffer.from(await fs.readFile(processIdPath(run), 100)).toString()
    return /^[1-9]\d{0,9}\s*$/.test(text) ? Number(text) : null
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
}

/** Removes the file unless another process has written its own meanwhile. */
export async function removeProcessId(fs: FileSystem, { run, pid }: ProcessIdFile): Promise<void> {
  if ((await readProcessId(fs, run)) !== pid) return
  try {
    await fs.unlink(processIdPath(run))
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
}

function processIdPath(run: string): string {
  return join(run, 'proxy.pid')
}
