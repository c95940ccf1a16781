/** Stock's file of active operations: `[{ pid, starttime, active_operations: { read, write } }]` (datastore-semantics.md 13). */
import { isSystemError } from '../base/errors.ts'
import type { FileSystem } from '../base/fs/file-system.ts'

export interface OperationCounts {
  readonly read: number
  readonly write: number
}

export interface ProcessId {
  readonly pid: number
  /** Clock ticks since boot, as in `/proc/<pid>/stat`. */
  readonly starttime: number
}

/** The members' names are the file's. */
export interface OperationEntry extends ProcessId {
  readonly active_operations: OperationCounts
}

/** The entries; null without a file. Those that are damaged are left out: their process writes its own anew. */
export async function readEntries(
  fs: FileSystem,
  path: string,
  sizeMax: number,
): Promise<OperationEntry[] | null> {
  let bytes: Uint8Array
  try {
    bytes = await fs.readFile(path, sizeMax)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
  return parseEntries(Buffer.from(bytes).toString())
}

/** The sum of all. */
export function addUp(all: readonly OperationCounts[]): OperationCounts {
  let read = 0
  let write = 0
  for (const counts of all) {
    read += counts.read
    write += counts.write
  }
  return { read, write }
}

function parseEntries(text: string): OperationEntry[] {
  try {
    const entries: unknown = JSON.parse(text)
    return Array.isArray(entries) ? entries.filter(isEntry) : []
  } catch {
    return []
  }
}

function isEntry(value: unknown): value is OperationEntry {
  if (typeof value !== 'object' || value === null) return false
  const { pid, starttime, active_operations: counts } = value as Record<string, unknown>
  if (!isCount(pid) || !isCount(starttime)) return false
  if (typeof counts !== 'object' || counts === null) return false
  const { read, write } = counts as Record<string, unknown>
  return isCount(read) && isCount(write)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
