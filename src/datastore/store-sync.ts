/**
 * Syncs of a datastore, shared by the sessions that finish at the same time (races.md ).
 *
 * The kernel reports a write-back error once per open descriptor, to descriptors that were open when it happened: so
 * there is one descriptor per device, opened before anything is written and kept, and an error that it hears fails
 * every live session.
 */
import { SharedRun } from '../base/async/shared-run.ts'
import type { FileHandle, FileSystem } from '../base/fs/file-system.ts'
import { toError } from '../base/errors.ts'
import type { Clock } from '../base/time/clock.ts'
import { osErrorText } from '../storage/os-error-text.ts'
import { errors } from './errors.ts'

export interface SyncHooks {
  /** A sync that began at `startedMs` (wall time) succeeded: all that was written before is durable. */
  onGood(startedMs: number): void
  onFailed(error: Error): void
}

export class StoreSync {
  readonly #fs: FileSystem
  readonly #clock: Clock
  readonly #path: string
  readonly #hooks: SyncHooks
  readonly #devices = new Map<bigint, FileHandle>()
  readonly #runs = new SharedRun()

  /** `path`: the datastore's folder, for messages. */
  constructor(fs: FileSystem, options: { clock: Clock; path: string; hooks: SyncHooks }) {
    this.#fs = fs
    this.#clock = options.clock
    this.#path = options.path
    this.#hooks = options.hooks
  }

  /** Includes the device that holds `folder`; to be called before anything is written there. */
  async addDevice(folder: string): Promise<void> {
    const { dev } = await this.#fs.stat(folder)
    if (this.#devices.has(dev)) return
    const handle = await this.#fs.open(folder, 'read')
    if (this.#devices.has(dev)) await handle.close()
    else this.#devices.set(dev, handle)
  }

  /** Makes durable what was written before this call, on all devices. Throws SYNC_FAILED. */
  async run(): Promise<void> {
    await this.#runs.run(async () => await this.#syncAll())
  }

  async close(): Promise<void> {
    for (const handle of this.#devices.values()) await handle.close()
    this.#devices.clear()
  }

  async #syncAll(): Promise<void> {
    const startedMs = this.#clock.now()
    let failure: Error | null = null
    for (const handle of this.#devices.values()) {
      try {
        await handle.syncFileSystem()
      } catch (error) {
        failure ??= toError(error)
      }
    }
    if (failure === null) {
      this.#hooks.onGood(startedMs)
      return
    }
    const data = { path: this.#path, reason: osErrorText(failure) }
    const error = errors.SYNC_FAILED(data, { cause: failure })
    this.#hooks.onFailed(error)
    throw error
  }
}
