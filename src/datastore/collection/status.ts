/** What a collection found and did, and its file `.gc-status` (datastore-semantics.md 12.7, formats.md 9.8). */
import { isSystemError } from '../../base/errors.ts'
import { formatBytes } from '../../base/human-units.ts'
import type { Datastore } from '../datastore.ts'

/** Keys and their order are stock's. */
export interface GcStatus {
  readonly upid: string | null
  readonly 'index-file-count': number
  readonly 'index-data-bytes': number
  readonly 'disk-bytes': number
  readonly 'disk-chunks': number
  readonly 'removed-bytes': number
  readonly 'removed-chunks': number
  readonly 'pending-bytes': number
  readonly 'pending-chunks': number
  readonly 'removed-bad': number
  readonly 'still-bad': number
  readonly 'cache-stats'?: { readonly hits: number; readonly misses: number }
}

/** While a run counts. */
export type GcCounts = { -readonly [Key in Exclude<keyof GcStatus, 'cache-stats'>]: GcStatus[Key] }

export const GC_STATUS_FILE = '.gc-status'
/** The file is small; more than this is not one. */
const STATUS_SIZE_MAX = 65_536

/** Zeros. */
export function emptyStatus(upid: string | null = null): GcCounts {
  return {
    upid,
    'index-file-count': 0,
    'index-data-bytes': 0,
    'disk-bytes': 0,
    'disk-chunks': 0,
    'removed-bytes': 0,
    'removed-chunks': 0,
    'pending-bytes': 0,
    'pending-chunks': 0,
    'removed-bad': 0,
    'still-bad': 0,
  }
}

/** The last complete run's; null without one, or if the file lacks a number that stock needs. Never used for a decision. */
export async function readGcStatus(
  store: Pick<Datastore, 'fs' | 'path'>,
): Promise<GcStatus | null> {
  try {
    const bytes = await store.fs.readFile(`${store.path}/${GC_STATUS_FILE}`, STATUS_SIZE_MAX)
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    return isStatus(value) ? value : null
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || error instanceof SyntaxError) return null
    throw error
  }
}

/** An error is a line of the store's log, as in stock: the run itself was good. */
export async function writeGcStatus(store: Datastore, status: GcStatus): Promise<void> {
  try {
    await store.files.write(`${store.path}/${GC_STATUS_FILE}`, Buffer.from(JSON.stringify(status)))
  } catch (error) {
    store.log.warn('cannot write .gc-status', { store: store.name, error: String(error) })
  }
}

/** The closing lines of the task log. */
export function statusLines(status: GcStatus): string[] {
  const original = status['index-data-bytes']
  const disk = status['disk-bytes']
  const chunks = status['disk-chunks']
  const percent = ((disk * 100) / original).toFixed(2)
  const factor = disk > 0 ? original / disk : 1
  return [
    `Removed garbage: ${formatBytes(status['removed-bytes'])}`,
    `Removed chunks: ${status['removed-chunks']}`,
    ...lineIf(
      status['pending-bytes'] > 0,
      `Pending removals: ${formatBytes(status['pending-bytes'])} (in ${status['pending-chunks']} chunks)`,
    ),
    ...lineIf(status['removed-bad'] > 0, `Removed bad chunks: ${status['removed-bad']}`),
    ...lineIf(status['still-bad'] > 0, `Leftover bad chunks: ${status['still-bad']}`),
    `Original data usage: ${formatBytes(original)}`,
    ...lineIf(original > 0, `On-Disk usage: ${formatBytes(disk)} (${percent}%)`),
    `On-Disk chunks: ${chunks}`,
    `Deduplication factor: ${factor.toFixed(2)}`,
    ...lineIf(chunks > 0, `Average chunk size: ${formatBytes(disk / chunks)}`),
  ]
}

function lineIf(isWanted: boolean, line: string): string[] {
  return isWanted ? [line] : []
}

function isStatus(value: unknown): value is GcStatus {
  if (typeof value !== 'object' || value === null) return false
  const numbers = Object.keys(emptyStatus()).filter((key) => key !== 'upid')
  const fields = value as Record<string, unknown>
  const { upid = null } = fields
  if (upid !== null && typeof upid !== 'string') return false
  return numbers.every((key) => typeof fields[key] === 'number')
}
