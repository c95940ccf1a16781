/**
 * What happened on the recording server between the recorded calls: its configuration between the
 * phases, maintenance modes, and the slow backup that some calls were made beside.
 */
import { beginBackup } from '../../src/datastore/sessions/begin-backup.ts'
import { parseGroup } from '../../src/formats/names.ts'
import { ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import { changeDatastore } from '../../src/config/datastores.ts'
import type { Replayer, RestRecord } from './rest-records.ts'
import { RECORDED_FOLDER, type RestState, TOKEN_ID } from './rest-state.ts'

/** Start of the slow backup of `host/slow`, Unix seconds. */
const SLOW_TIME = 1_795_256_846
const SLOW_UPID = /UPID%3Avm%3A00003F60%3A00027311%3A00000BBC%3A6B01720E%3Abackup[^/]*/

/** Was there in the change phase only. */
const SECOND_S3_STORE = `
datastore: fxs3small
\tbackend type=s3,client=fxs3ep,bucket=fxbucket,max-cache-size=32MiB
\tpath ${RECORDED_FOLDER}/s3small
`

export class Interludes {
  readonly #state: RestState
  readonly #replayer: Replayer
  #phase = ''
  #slow: SlowBackup | null = null
  #stores = 0

  constructor(state: RestState, replayer: Replayer) {
    this.#state = state
    this.#replayer = replayer
  }

  /** Brings the server into the state in which `record` was made. */
  async before(record: RestRecord): Promise<void> {
    // Datastores are made and removed, groups moved and verified by tasks, and the next call counts on their end.
    const isChange = record.group === 'admin-datastore-change' && record.phase === 'change'
    if (record.group === 'config-datastore' || isChange) await this.#state.context.tasks.idle()
    if (record.phase !== this.#phase) this.#enter(record.phase)
    await this.#setMaintenance(record)
    await this.#runSlowBackup(record)
  }

  async end(): Promise<void> {
    await this.#slow?.end()
  }

  /** The configuration is the recorded one; before the set-up it lacks what the set-up makes. */
  #enter(phase: RestRecord['phase']): void {
    this.#phase = phase
    this.#state.resetConfig((name, text) => {
      if (phase === 'setup') return withoutSetup(name, text)
      return phase === 'change' && name === 'datastore.cfg' ? text + SECOND_S3_STORE : text
    })
    this.#replayer.forgetSecret()
  }

  /** The lists of datastores in the change phase show the mode that was set right before. */
  async #setMaintenance(record: RestRecord): Promise<void> {
    const isList = record.request.path === '/api2/json/admin/datastore'
    const isEnd = record.request.path.endsWith('/s3-refresh')
    if (record.phase !== 'change' || !(isList || isEnd)) return
    this.#stores += isList ? 1 : 0
    const mode = isEnd ? null : this.#stores === 1 ? 'read-only,message=half way' : 'offline'
    await changeDatastore(this.#state.context.files, 'fxrest', {
      set: new Map(mode === null ? [] : [['maintenance-mode', mode]]),
      delete: mode === null ? ['maintenance-mode'] : [],
    })
  }

  async #runSlowBackup(record: RestRecord): Promise<void> {
    const isBeside = record.note === 'a backup is running' || record.note === 'unfinished'
    const isTask = SLOW_UPID.test(record.request.path)
    if (record.phase !== 'read' || !(isBeside || isTask)) {
      await this.#slow?.end()
      this.#slow = null
      return
    }
    this.#slow ??= await SlowBackup.begin(this.#state)
    if (record.note === 'stopped') await this.#slow.end()
    if (isTask) this.#replayer.replaceInPath(SLOW_UPID, encodeURIComponent(this.#slow.upid))
  }
}

/** A backup session as a client leaves it that sends nothing. */
class SlowBackup {
  readonly upid: string
  readonly #ended: Promise<unknown>
  readonly #stop: () => void

  private constructor(upid: string, ended: Promise<unknown>, stop: () => void) {
    this.upid = upid
    this.#ended = ended
    this.#stop = stop
  }

  static async begin({ context }: RestState): Promise<SlowBackup> {
    const store = await context.datastores.lookup('fxrest', 'write')
    const group = parseGroup('host/slow')
    const writer = await beginBackup(store, {
      ns: ROOT_NAMESPACE,
      group,
      time: SLOW_TIME,
      caller: TOKEN_ID,
      benchmark: false,
    })
    const start = { type: 'backup', id: 'fxrest:host/slow', authId: TOKEN_ID }
    const stop = new AbortController()
    const { upid, done } = await context.tasks.start(start, async (task) => {
      using _operation = context.operations.begin('fxrest', 'write')
      task.log('starting new backup')
      await untilAborted(AbortSignal.any([task.signal, stop.signal]))
      await writer.abort()
      throw new Error('task aborted')
    })
    return new SlowBackup(upid, done, () => stop.abort())
  }

  async end(): Promise<void> {
    this.#stop()
    await this.#ended
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}

function withoutSetup(name: string, text: string): string {
  if (name === 'user.cfg') return text.replace(/user: fxadmin[\s\S]*/, '')
  if (name === 's3.cfg') return text.replace(/s3-endpoint: fxmoto[\s\S]*?\n\n/, '')
  if (name === 'tfa.json') return '{}'
  if (name !== 'acl.cfg') return text
  const lines = text.split('\n').filter((line) => !/fx(?:admin|audit|low)/.test(line))
  return lines.join('\n')
}
