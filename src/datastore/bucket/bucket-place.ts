/** A datastore's place in a bucket with what is remembered of it here, while no datastore object has it open. */
import { isSystemError } from '../../base/errors.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import type { Log } from '../../base/log.ts'
import type { Progress } from '../../base/progress.ts'
import type { Clock } from '../../base/time/clock.ts'
import { SqliteLedger } from '../../storage/bucket-chunks/sqlite-ledger.ts'
import type { Ledger } from '../../storage/ledger.ts'
import { claimStateFolder } from '../state-folder.ts'
import type { Owner } from '../store-files.ts'
import { HolderCopy } from './holder-copy.ts'
import { LEDGER_FILE } from './open-bucket.ts'
import { StateMarks } from './state-marks.ts'
import type { OpenedObjects } from './store-bucket.ts'

export interface BucketPlace {
  readonly opened: OpenedObjects
  /** The datastore's name. */
  readonly prefix: string
  /** The datastore's folder. */
  readonly path: string
  /** As of the registry: `<state>/datastores/<name>`. */
  readonly stateFolder: string
  /** Owner of files in the datastore's folder. */
  readonly owner?: Owner | undefined
  readonly progress: Progress
  readonly clock: Clock
  readonly log: Log
  /** Default: the SQLite file. */
  readonly openLedger?: ((path: string) => Promise<Ledger>) | undefined
}

export interface Place {
  readonly opened: OpenedObjects
  readonly prefix: string
  readonly ledger: Ledger
  readonly copy: HolderCopy
  readonly marks: StateMarks
  readonly progress: Progress
}

/** Runs `work` with the ledger of the place; nobody else has it open. */
export async function withPlace<Result>(
  fs: FileSystem,
  options: BucketPlace,
  work: (place: Place) => Promise<Result>,
): Promise<Result> {
  const { opened, prefix, path, owner, progress, clock, log } = options
  await using stack = new AsyncDisposableStack()
  const folder = await stateFolderOf(fs, options, stack)
  const ledgerPath = `${folder}/${LEDGER_FILE}`
  const ledger = await (options.openLedger?.(ledgerPath) ??
    SqliteLedger.open(fs, { path: ledgerPath, clock, log }))
  stack.defer(async () => await ledger.close())
  const copy = new HolderCopy(fs, { path, owner })
  return await work({ opened, prefix, ledger, copy, marks: new StateMarks(fs, folder), progress })
}

/** Where a removal went on without the folder, it is the one of the name. */
async function stateFolderOf(
  fs: FileSystem,
  { stateFolder, path, clock }: BucketPlace,
  stack: AsyncDisposableStack,
): Promise<string> {
  try {
    const { folder, handle } = await claimStateFolder(fs, { folder: stateFolder, path, clock })
    stack.defer(async () => await handle.close())
    return folder
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    await fs.mkdir(stateFolder, { recursive: true, mode: 0o700 })
    return stateFolder
  }
}
