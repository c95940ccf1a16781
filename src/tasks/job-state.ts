/**
 * The last run of a job, in stock's files `jobstates/<type>-<name>.json` of the state folder (datastore-semantics.md
 * 14.3). We write the start only: how it ended is in the log of its task, which a reader asks, as stock's does.
 */
import { hasCode, isSystemError } from '../base/errors.ts'
import { atomicWrite, type AtomicWriteOptions } from '../base/fs/atomic-write.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import { formatTaskStatus, type TaskStatus } from '../formats/task-status.ts'
import { parseUpid } from '../formats/upid.ts'

export interface Job {
  /** Worker type, such as `garbage_collection`. */
  readonly type: string
  /** Of a collection the datastore's. */
  readonly name: string
}

/** The last run that began; `end` only if the file says it. */
export interface JobRun {
  readonly upid: string
  readonly end: { readonly status: string; readonly endTime: number } | null
}

type Owner = AtomicWriteOptions['owner']

const STATE_MODE = 0o640
const STATE_SIZE_MAX = 65_536

/** Notes that `upid` is the run of `job` now. */
export async function noteJobStarted(
  fs: FileSystem,
  stateFolder: string,
  job: Job,
  { upid, owner }: { readonly upid: string; readonly owner: Owner },
): Promise<void> {
  const path = statePath(stateFolder, job)
  await makeFolder(fs, `${stateFolder}/jobstates`, owner)
  const data = Buffer.from(JSON.stringify({ started: { upid } }))
  await atomicWrite(fs, path, data, { mode: STATE_MODE, owner, durable: false })
}

/** Removes what is known of `job`: the next one of this name is another. */
export async function forgetJob(fs: FileSystem, stateFolder: string, job: Job): Promise<void> {
  try {
    await fs.unlink(statePath(stateFolder, job))
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
}

/** As stock has it, for a stock server that comes back. */
async function makeFolder(fs: FileSystem, path: string, owner: Owner): Promise<void> {
  try {
    await fs.mkdir(path, { mode: 0o755 })
    if (owner !== undefined) await fs.chown(path, owner.uid, owner.gid)
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw error
  }
}

/** The last run of `job`; null if there was none, or the file is none of stock's. */
export async function readLastRun(
  fs: FileSystem,
  stateFolder: string,
  job: Job,
): Promise<JobRun | null> {
  try {
    const bytes = await fs.readFile(statePath(stateFolder, job), STATE_SIZE_MAX)
    return parseState(JSON.parse(Buffer.from(bytes).toString()))
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || error instanceof SyntaxError) return null
    throw error
  }
}

function parseState(value: unknown): JobRun | null {
  const started = member(value, 'started')
  const finished = member(value, 'finished')
  const upid = member(started ?? finished, 'upid')
  if (typeof upid !== 'string' || !isUpid(upid)) return null
  return { upid, end: endOf(member(finished, 'state')) }
}

function isUpid(text: string): boolean {
  try {
    parseUpid(text)
    return true
  } catch (error) {
    if (hasCode(error, 'UPID_INVALID')) return false
    throw error
  }
}

function endOf(state: unknown): JobRun['end'] {
  if (typeof state !== 'object' || state === null) return null
  const [kind] = Object.keys(state)
  const details = member(state, kind ?? '')
  const endTime = member(details, 'endtime')
  const status = statusOf(kind ?? '', details)
  if (typeof endTime !== 'number' || status === null) return null
  return { status: formatTaskStatus(status), endTime }
}

function statusOf(kind: string, details: unknown): TaskStatus | null {
  switch (kind) {
    case 'OK':
      return { kind: 'ok' }
    case 'Warning':
      return { kind: 'warning', count: Number(member(details, 'count')) }
    case 'Error':
      return { kind: 'error', message: String(member(details, 'message')) }
    case 'Unknown':
      return { kind: 'unknown' }
    default:
      return null
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function statePath(stateFolder: string, { type, name }: Job): string {
  return `${stateFolder}/jobstates/${type}-${name}.json`
}
