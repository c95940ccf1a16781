/**
 * One server per run folder: a second one would take the first one's pid file and answer for its tasks. The lock is
 * held shared, so that a successor serves beside its predecessor; who starts anew must be alone.
 */
import { setTimeout } from 'node:timers/promises'
import type { FileHandle, FileSystem } from '../../../base/fs/file-system.ts'
import { isSystemError } from '../../../base/errors.ts'
import { atomicWrite } from '../../../base/fs/atomic-write.ts'
import { readProcessId } from '../../../server/process-id-file.ts'
import { errors } from '../errors.ts'

/** Who serves where, and how the last reload went: for the commands that ask a running server. */
export interface ServingState {
  /** Who serves. */
  readonly pid: number
  /** Why the last reload failed; null if it did not. */
  readonly error: string | null
  /** Differs between two reports. */
  readonly report: string
  /** Address it listens on; `::` or `0.0.0.0` is everywhere. */
  readonly host: string
  readonly port: number
}

const STATE_SIZE_MAX = 65_536
/** A command that asks whether a server runs holds the lock for a moment. */
const CLAIM_ATTEMPTS_MAX = 50
const CLAIM_RETRY_MS = 20

/** Locks the run folder for this process's life. Errors: SERVER_RUNNING. */
export async function claimPlace(
  fs: FileSystem,
  run: string,
  { isSuccessor }: { readonly isSuccessor: boolean },
): Promise<FileHandle> {
  const handle = await fs.open(`${run}/serve.lock`, 'read-write-create', 0o600)
  for (let attempt = 1; attempt <= CLAIM_ATTEMPTS_MAX; attempt += 1) {
    const isAlone = isSuccessor || handle.tryLock('flock', 'exclusive')
    if (isAlone && handle.tryLock('flock', 'shared')) {
      // Who looks meanwhile must not take the last server's address for ours.
      if (!isSuccessor) await forgetServingState(fs, run)
      return handle
    }
    await setTimeout(CLAIM_RETRY_MS)
  }
  await handle.close()
  throw errors.SERVER_RUNNING({ run, pid: await readProcessId(fs, run) })
}

/** Whether a server holds the run folder. */
export async function isPlaceTaken(fs: FileSystem, run: string): Promise<boolean> {
  try {
    await using handle = await fs.open(`${run}/serve.lock`, 'write')
    return !handle.tryLock('flock', 'exclusive')
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
}

export async function writeServingState(
  fs: FileSystem,
  run: string,
  state: ServingState,
): Promise<void> {
  const data = Buffer.from(`${JSON.stringify(state)}\n`)
  await atomicWrite(fs, statePath(run), data, { mode: 0o644, durable: false })
}

/** The last report; null without one. */
export async function readServingState(fs: FileSystem, run: string): Promise<ServingState | null> {
  try {
    const bytes = await fs.readFile(statePath(run), STATE_SIZE_MAX)
    return JSON.parse(Buffer.from(bytes).toString()) as ServingState
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || error instanceof SyntaxError) return null
    throw error
  }
}

async function forgetServingState(fs: FileSystem, run: string): Promise<void> {
  try {
    await fs.unlink(statePath(run))
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
}

function statePath(run: string): string {
  return `${run}/serve.json`
}
