/** A garbage collection as a job: its last run is known to the lists (datastore-semantics.md 14.3). */
import { toError } from '../base/errors.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import type { ConfigFiles } from '../config/config-files.ts'
import { collect, type CollectOptions } from '../datastore/collection/collect.ts'
import type { Datastore } from '../datastore/datastore.ts'
import { parseUpid } from '../formats/upid.ts'
import { forgetJob, noteJobStarted, readLastRun } from '../tasks/job-state.ts'
import type { TaskRegistry } from '../tasks/task-registry.ts'

const TYPE = 'garbage_collection'

/** What the API shows of the last run; nothing while it runs, or if there was none. */
export interface LastRun {
  readonly 'last-run-endtime': number
  readonly 'last-run-state': string
  /** Seconds. */
  readonly duration: number
}

/** Collects `store`. Errors: those of `collect`. */
export async function collectAsJob(
  files: ConfigFiles,
  store: Datastore,
  options: CollectOptions,
): Promise<void> {
  const job = { type: TYPE, name: store.name }
  const { upid } = options
  try {
    const owner = await files.newFileOwner()
    await noteJobStarted(files.fs, files.paths.state, job, { upid, owner })
  } catch (error) {
    // Only lists lack it.
    options.progress.log(`Cannot note the start of the job: ${toError(error).message}`)
  }
  await collect(store, options)
}

/** Forgets the collections of the datastore `name`, which is removed: another of this name had none. */
export async function forgetCollections(
  fs: FileSystem,
  stateFolder: string,
  name: string,
): Promise<void> {
  await forgetJob(fs, stateFolder, { type: TYPE, name })
}

/** The last collection of the datastore `name`. */
export async function lastCollection(
  { fs, paths }: Pick<ConfigFiles, 'fs' | 'paths'>,
  tasks: TaskRegistry,
  name: string,
): Promise<LastRun | null> {
  const run = await readLastRun(fs, paths.state, { type: TYPE, name })
  if (run === null) return null
  const end = run.end ?? (await endOf(tasks, run.upid))
  if (end === null) return null
  const duration = end.endTime - parseUpid(run.upid).startTime
  return { 'last-run-endtime': end.endTime, 'last-run-state': end.status, duration }
}

async function endOf(tasks: TaskRegistry, upid: string) {
  const { running, exitStatus, endTime } = await tasks.status(upid)
  if (running || endTime === null) return null
  return { status: exitStatus ?? 'unknown', endTime }
}
