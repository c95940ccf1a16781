/** Rounds in which the disk below a server loses power (races.md R-62). Needs root. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import type { SyncLevel } from '../../src/datastore/settings.ts'
import { type CairnData, tokenEnvironment } from '../support/cairn-data.ts'
import { startCairn } from '../support/cairn-process.ts'
import { checkAfterCrash, makeCrashData } from '../support/crash-rig.ts'
import { CutDisk, type CutFileSystem } from '../support/power-cut.ts'
import { backUpSmall, connectTo, type SmallBackup } from '../support/small-backups.ts'

const SUPPORT = join(import.meta.dirname, '..', 'support')
export const STEP_SERVER = join(SUPPORT, 'step-server.ts')
const SYNC_LOAD = join(SUPPORT, 'sync-load.ts')

/** A datastore on a disk that can lose power, with the backups that it must still have. */
export class PowerRig implements Disposable {
  readonly #disk: CutDisk
  readonly #data: CairnData
  readonly #backups: SmallBackup[] = [{ number: 1 }]
  #number = 1

  private constructor(disk: CutDisk, data: CairnData) {
    this.#disk = disk
    this.#data = data
  }

  /** A new disk mounted at `folder`, with backup 1 on it and everything synced. */
  static async open(
    folder: string,
    { kind, syncLevel }: { readonly kind: CutFileSystem; readonly syncLevel: SyncLevel },
  ): Promise<PowerRig> {
    const disk = new CutDisk(folder, kind)
    try {
      const data = await makeCrashData(join(folder, 'data'), { syncLevel })
      await nodeFileSystem.syncFileSystem(folder)
      return new PowerRig(disk, data)
    } catch (error) {
      disk[Symbol.dispose]()
      throw error
    }
  }

  /** Cuts right after `finish` was answered: the backup must be there, and the next one works. */
  async cutAfterFinish(options: { readonly bulkCount: number }): Promise<void> {
    const backup = this.#nextBackup(options)
    const load = await this.#startLoad()
    const server = await startCairn(this.#data.data)
    {
      await using connection = await connectTo(tokenEnvironment(this.#data, server))
      await backUpSmall(connection, backup)
      server.child.kill('SIGKILL')
      load.kill('SIGKILL')
      this.#disk.cut()
    }
    await server.end('SIGKILL')
    this.#backups.push(backup)
    await this.#check({ maybe: null, step: 'a power cut after finish was answered' })
  }

  /**
   * Cuts before change `at` of the disk by a backup; the next backup has the same content and meets what is left of
   * its chunks. Count of chunk files that the cut damaged, and whether the backup was answered.
   */
  async cutAtStep(
    at: number,
    options: { readonly bulkCount: number },
  ): Promise<{ readonly damagedCount: number; readonly wasAnswered: boolean }> {
    const backup = this.#nextBackup(options)
    const load = await this.#startLoad()
    const environment = { CAIRN_STEP: String(at) }
    const server = await startCairn(this.#data.data, { program: STEP_SERVER, environment })
    const wasAnswered = await this.#tryBackUp(server, backup)
    await server.end('SIGKILL')
    load.kill('SIGKILL')
    this.#disk.cut()
    const damagedCount = countDamaged(join(this.#data.data, 'main', '.chunks'))
    if (wasAnswered) this.#backups.push(backup)
    const maybe = wasAnswered ? null : backup
    await this.#check({ maybe, step: `a power cut before step ${at}` })
    return { damagedCount, wasAnswered }
  }

  [Symbol.dispose](): void {
    this.#disk[Symbol.dispose]()
  }

  #nextBackup({ bulkCount }: { readonly bulkCount: number }): SmallBackup {
    this.#number += 1
    return { number: this.#number, bulkCount }
  }

  async #check(found: { readonly maybe: SmallBackup | null; readonly step: string }) {
    const last = found.maybe ?? this.#backups.at(-1)
    const { bulkCount = 0 } = last ?? {}
    const content = last?.content ?? last?.number ?? 0
    const next = { ...this.#nextBackup({ bulkCount }), content }
    const numbers = await checkAfterCrash(this.#data, {
      there: this.#backups.map(({ number }) => number),
      maybe: found.maybe === null ? [] : [found.maybe.number],
      next,
      backups: [...this.#backups, ...(found.maybe === null ? [] : [found.maybe])],
      step: found.step,
    })
    if (found.maybe !== null && numbers.includes(found.maybe.number)) {
      this.#backups.push(found.maybe)
    }
    this.#backups.push(next)
  }

  async #startLoad(): Promise<ChildProcess> {
    const chunks = join(this.#data.data, 'main', '.chunks')
    const load = spawn(process.execPath, [SYNC_LOAD, this.#disk.folder, chunks], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    await once(load.stdout, 'data')
    return load
  }

  async #tryBackUp(
    server: { readonly port: number; readonly fingerprint: string },
    backup: SmallBackup,
  ): Promise<boolean> {
    try {
      await using connection = await connectTo(tokenEnvironment(this.#data, server))
      await backUpSmall(connection, backup)
      return true
    } catch {
      return false
    }
  }
}

/** Chunk files that are empty or of zeros: a power cut made them so. */
function countDamaged(chunks: string): number {
  let count = 0
  for (const prefix of readdirSync(chunks)) {
    for (const name of readdirSync(join(chunks, prefix))) {
      if (name.includes('.tmp_')) continue
      // No blob begins with a zero, and what is empty has no first byte.
      if ((readFileSync(join(chunks, prefix, name))[0] ?? 0) === 0) count += 1
    }
  }
  return count
}
