/** What the rounds of power cuts ask of a server: each call tells the model what it begins and what was answered. */
import { setTimeout as sleep } from 'node:timers/promises'
import { openBackupSession } from '../../src/client/backup-session.ts'
import type { Connection } from '../../src/client/connection.ts'
import { createNamespace, moveNamespace } from '../../src/client/namespaces.ts'
import {
  forgetGroup,
  forgetSnapshot,
  moveGroup,
  pruneGroup,
  setProtected,
  storePath,
  upidOf,
} from '../../src/client/snapshots.ts'
import { parseGroup } from '../../src/formats/names.ts'
import { type NamespacePath, ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import { backUpSmall, type SmallBackup, snapshotOf, uploadSmall } from '../support/small-backups.ts'
import { untilTaskEnds } from '../support/running-tasks.ts'
import { type CutModel, keyOf } from './cut-model.ts'

const POLL_MS = 3
export const FIRST_GROUP = 'host/web1'
const USER = 'access/users/admin@pbs'

export class CutCalls {
  readonly connection: Connection
  readonly model: CutModel
  readonly #wasCut: () => boolean

  constructor(connection: Connection, model: CutModel, wasCut: () => boolean = () => false) {
    this.connection = connection
    this.model = model
    this.#wasCut = wasCut
  }

  async backUp(backup: SmallBackup): Promise<void> {
    this.model.beginAdd(backup)
    await backUpSmall(this.connection, backup)
    this.model.isThere(backup)
  }

  /** Uploads all but the manifest and goes away. */
  async giveUp(backup: SmallBackup): Promise<void> {
    const snapshot = snapshotOf(backup.number, backup.group)
    const options = { namespace: ROOT_NAMESPACE, snapshot, noCache: false }
    {
      await using session = await openBackupSession(this.connection, options)
      await uploadSmall(session, backup)
    }
    await this.untilNoTaskRuns()
  }

  async forget(backup: SmallBackup): Promise<void> {
    this.model.beginRemove(backup)
    const { namespace = '', number, group } = backup
    await forgetSnapshot(this.connection, { namespace, snapshot: snapshotOf(number, group) })
    this.model.isGone(backup)
  }

  async forgetGroup(group: string): Promise<void> {
    const backups = this.of(group)
    for (const backup of backups) this.model.beginRemove(backup)
    await forgetGroup(this.connection, { namespace: '', group: parseGroup(group) })
    for (const backup of backups) this.model.isGone(backup)
  }

  async prune(group: string, keepLast: number): Promise<void> {
    const backups = this.of(group).toSorted((a, b) => a.number - b.number)
    const gone = backups.slice(0, -keepLast)
    for (const backup of gone) this.model.beginRemove(backup)
    const address = { namespace: '', group: parseGroup(group) }
    await pruneGroup(this.connection, address, { 'keep-last': keepLast })
    // As stock's, it warns of what it could not remove and is answered.
    if (this.#wasCut()) return
    for (const backup of gone) this.model.isGone(backup)
  }

  async protect(backup: SmallBackup, value: boolean): Promise<void> {
    const snapshot = snapshotOf(backup.number, backup.group)
    await setProtected(this.connection, { namespace: '', snapshot }, value)
  }

  async makeNamespace(name: string): Promise<void> {
    await createNamespace(this.connection, name)
  }

  async moveGroup(group: string, target: NamespacePath): Promise<void> {
    const moved = this.of(group).map(
      (backup) => [backup, { ...backup, namespace: target }] as const,
    )
    for (const [from, to] of moved) this.model.beginMove(from, to)
    const upid = await moveGroup(
      this.connection,
      { namespace: '', group: parseGroup(group) },
      { targetNamespace: target, mergeGroup: true },
    )
    await untilTaskEnds(this.connection, upid)
    this.#settleMove(moved)
  }

  async moveNamespace(source: NamespacePath, target: NamespacePath): Promise<void> {
    const moved = this.model.backups
      .filter(({ namespace = '' }) => namespace === source)
      .map((backup) => [backup, { ...backup, namespace: target }] as const)
    for (const [from, to] of moved) this.model.beginMove(from, to)
    const upid = await moveNamespace(this.connection, {
      namespace: source,
      targetNamespace: target,
      maxDepth: undefined,
      deleteSource: true,
      mergeGroups: true,
    })
    await untilTaskEnds(this.connection, upid)
    this.#settleMove(moved)
  }

  /** Collects and waits for a good end. */
  async collect(): Promise<void> {
    const { data } = await this.connection.post(storePath(this.connection, 'gc'), {})
    await untilTaskEnds(this.connection, upidOf(data))
  }

  async verify(): Promise<void> {
    const parameters = { 'ignore-verified': false }
    const path = storePath(this.connection, 'verify')
    const { data } = await this.connection.post(path, parameters)
    await untilTaskEnds(this.connection, upidOf(data))
  }

  async writeComment(comment: string): Promise<void> {
    this.model.beginComment(comment)
    await this.connection.put(USER, { comment })
    this.model.isComment(comment)
  }

  async readComment(): Promise<string> {
    const { data } = await this.connection.get(USER)
    return (data as { readonly comment?: string }).comment ?? ''
  }

  of(group: string): SmallBackup[] {
    return this.model.backups.filter(
      (backup) => (backup.group ?? FIRST_GROUP) === group && (backup.namespace ?? '') === '',
    )
  }

  async untilNoTaskRuns(): Promise<void> {
    for (;;) {
      const { data } = await this.connection.get('nodes/localhost/tasks', { running: true })
      if (!Array.isArray(data) || data.length === 0) return
      await sleep(POLL_MS)
    }
  }

  #settleMove(moved: readonly (readonly [SmallBackup, SmallBackup])[]): void {
    for (const [from, to] of moved) {
      if (keyOf(from) === keyOf(to)) continue
      this.model.isGone(from)
      this.model.isThere(to)
    }
  }
}
