/**
 * What we remember of a datastore between runs, in the state folder: whether the last end was clean, when the last
 * sync succeeded, and which chunks are in doubt. The file is durable before anything it promises is relied on.
 */
import { isSystemError } from '../base/errors.ts'
import { atomicWrite } from '../base/fs/atomic-write.ts'
import { lockFile } from '../base/fs/file-lock.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import type { Clock } from '../base/time/clock.ts'
import { type DoubtWindow, joinWindows } from './doubt.ts'

export interface StoreState {
  /** False from the first session on until the end was orderly. */
  readonly clean: boolean
  /** Start of the last sync that succeeded; milliseconds since the epoch. */
  readonly lastGoodSyncMs: number
  readonly doubt: DoubtWindow | null
  /** Whether a sync has failed: what reads well may be in memory only, also for the next process (races.md R-63). */
  readonly rewrites?: boolean
}

const STATE_MODE = 0o600
/** Another process writes within milliseconds, a slow disk within seconds. */
const LOCK_WAIT_MS = 30_000
/** The file has some hundred bytes. */
const STATE_SIZE_MAX = 65_536

/** The state, null if there is none: a store that we never opened. A damaged file says "unclean, since for ever". */
export async function readStoreState(fs: FileSystem, path: string): Promise<StoreState | null> {
  let bytes: Uint8Array
  try {
    bytes = await fs.readFile(path, STATE_SIZE_MAX)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
  return parseState(bytes) ?? { clean: false, lastGoodSyncMs: 0, doubt: null }
}

/** The state of one process, and how to write it. */
export interface StoreStateUpdate {
  readonly path: string
  readonly clock: Clock
  readonly state: StoreState
}

/**
 * Writes the state, joined with what another process on the same store has written: its doubt must not be lost
 * (races.md R-63). A later good sync serves all, for it was one of the whole file system. Throws LOCK_BUSY.
 */
export async function updateStoreState(
  fs: FileSystem,
  { path, clock, state }: StoreStateUpdate,
): Promise<void> {
  const lockOptions = {
    kind: 'exclusive',
    timeoutMs: LOCK_WAIT_MS,
    clock,
    mode: STATE_MODE,
  } as const
  await using _lock = await lockFile(fs, `${path}.lock`, lockOptions)
  const before = await readStoreState(fs, path)
  const rewrites = state.rewrites === true || before?.rewrites === true
  const joined: StoreState = {
    clean: state.clean,
    lastGoodSyncMs: Math.max(state.lastGoodSyncMs, before?.lastGoodSyncMs ?? 0),
    doubt: joinWindows(state.doubt, before?.doubt ?? null),
    ...(rewrites ? { rewrites } : {}),
  }
  const data = Buffer.from(`${JSON.stringify(joined, null, 2)}\n`)
  await atomicWrite(fs, path, data, { mode: STATE_MODE, durable: true })
}

function parseState(bytes: Uint8Array): StoreState | null {
  try {
    const state: unknown = JSON.parse(Buffer.from(bytes).toString())
    return isState(state) ? state : null
  } catch {
    return null
  }
}

function isState(value: unknown): value is StoreState {
  if (typeof value !== 'object' || value === null) return false
  const { clean, lastGoodSyncMs, doubt, rewrites = false } = value as Record<string, unknown>
  if (typeof clean !== 'boolean' || typeof rewrites !== 'boolean') return false
  return typeof lastGoodSyncMs === 'number' && isDoubt(doubt)
}

function isDoubt(value: unknown): boolean {
  if (value === null) return true
  if (typeof value !== 'object') return false
  const { fromMs, untilMs } = value as Record<string, unknown>
  return typeof fromMs === 'number' && typeof untilMs === 'number'
}
