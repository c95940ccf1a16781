/**
 * Where everything lies: configuration, state, logs and run files. With the stock server's configuration folder its
 * other folders are the default too, so that a taken-over server finds its task logs and shares its lock files.
 */
import { dirname, join, resolve } from 'node:path'
import { isSystemError } from '../base/errors.ts'
import type { FileSystem } from '../base/fs/file-system.ts'

/** Absolute folders. */
export interface Paths {
  /** Embedded datastores lie here (`main`). */
  readonly data: string
  readonly config: string
  readonly state: string
  readonly log: string
  readonly run: string
  /** Lock files of datastores (datastore-semantics.md 5.2). */
  readonly locks: string
  /** Task logs, the active list and the archive (rest-api.md 6.5). */
  readonly tasks: string
}

/** Places as given on the command line; what is absent has a default. */
export interface PlaceOptions {
  readonly data?: string | undefined
  readonly configDir?: string | undefined
  readonly stateDir?: string | undefined
  readonly logDir?: string | undefined
  readonly runDir?: string | undefined
  /** Value of the environment's `CAIRN_DATA`; `data` wins. */
  readonly environmentData?: string | undefined
}

export const STOCK_CONFIG_FOLDER = '/etc/proxmox-backup'
const STOCK_STATE_FOLDER = '/var/lib/proxmox-backup'
const STOCK_LOG_FOLDER = '/var/log/proxmox-backup'
const STOCK_RUN_FOLDER = '/run/proxmox-backup'
const DATA_FOLDER = 'cairn-data'

/** The places that `options` name, relative ones below `cwd`. */
export function resolvePaths(options: PlaceOptions, cwd: string = process.cwd()): Paths {
  const data = resolve(cwd, options.data ?? options.environmentData ?? DATA_FOLDER)
  const config = resolve(cwd, options.configDir ?? join(data, 'config'))
  const stock = config === STOCK_CONFIG_FOLDER
  const place = (given: string | undefined, stockFolder: string, name: string): string =>
    resolve(cwd, given ?? (stock ? stockFolder : join(data, name)))
  const log = place(options.logDir, STOCK_LOG_FOLDER, 'log')
  const run = place(options.runDir, STOCK_RUN_FOLDER, 'run')
  return Object.freeze({
    data,
    config,
    state: place(options.stateDir, STOCK_STATE_FOLDER, 'state'),
    log,
    run,
    locks: join(run, 'locks'),
    tasks: join(log, 'tasks'),
  })
}

/** Makes the folders that are missing; the configuration folder readable by its owner only, as stock's is. */
export async function ensurePlaces(fs: FileSystem, paths: Paths): Promise<void> {
  await makeFolder(fs, paths.config, { mode: 0o700, ownerOf: dirname(paths.config) })
  const places = [
    paths.state,
    paths.log,
    join(paths.log, 'api'),
    paths.tasks,
    paths.run,
    paths.locks,
  ]
  // Also those whose parents are root's, as `/run`: a stock server that comes back must be able to write there.
  for (const path of places) await makeFolder(fs, path, { mode: 0o755, ownerOf: paths.config })
}

/** As root, a new folder belongs to whom the folder `ownerOf` belongs to. */
async function makeFolder(
  fs: FileSystem,
  path: string,
  { mode, ownerOf }: { readonly mode: number; readonly ownerOf: string },
): Promise<void> {
  try {
    await fs.stat(path)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    await fs.mkdir(path, { recursive: true, mode })
    if (process.geteuid?.() !== 0) return
    const { uid, gid } = await fs.stat(ownerOf)
    await fs.chown(path, uid, gid)
  }
}
