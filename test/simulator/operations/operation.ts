/** What every simulated operation is: plain parameters, so that a schedule can be written down, and a way to run it. */
import {
  type GroupRef,
  parseGroup,
  parseSnapshot,
  type SnapshotRef,
} from '../../../src/formats/names.ts'
import { type NamespacePath, parseNamespace } from '../../../src/formats/namespace.ts'
import type { Datastore } from '../../../src/datastore/datastore.ts'
import { MANIFEST, visibleSnapshots } from '../places.ts'
import type { Random } from '../random.ts'
import type { Actor } from '../actor.ts'
import { ALIAS_NAME, type SimProcess } from '../sim-process.ts'
import type { World } from '../world.ts'

/** One operation of a schedule, as it is written down. */
export interface Operation {
  readonly id: number
  readonly kind: string
  /** Decides everything that the operation itself leaves to chance. */
  readonly seed: number
  /** One of its calls fails. */
  readonly fault: Fault | null
}

/** Instead of an error: a folder of snapshots reads empty once (races.md R-02). */
export const SHORT_LISTING = 'short listing'

export interface Fault {
  /** Which of its calls, from 1 on. */
  readonly at: number
  readonly errno: string
}

export interface Running {
  readonly world: World
  readonly process: SimProcess
  readonly actor: Actor
  readonly random: Random
}

export const UPID = 'UPID:vm:00000001:00000001:00000001:6B016C27:sim:store:root@pam:'

/** `m:host/g1` to its parts. */
export function parsePlace(text: string): { readonly ns: NamespacePath; readonly group: GroupRef } {
  const [ns, group] = text.includes(':') ? (text.split(':') as [string, string]) : ['', text]
  return { ns: parseNamespace(ns), group: parseGroup(group) }
}

export interface KnownSnapshot {
  readonly key: string
  readonly ns: NamespacePath
  readonly ref: SnapshotRef
  readonly isFinished: boolean
}

/** What a listing of the whole store would show, oldest first within a group. */
export function listVisible(world: World): KnownSnapshot[] {
  const found: KnownSnapshot[] = []
  for (const { key, folder } of visibleSnapshots(world.store)) {
    const isFinished = folder.entries?.has(MANIFEST) === true
    found.push({ key, ...parseKey(key), isFinished })
  }
  return found.toSorted((a, b) => (a.key < b.key ? -1 : 1))
}

export function parseKey(key: string): { readonly ns: NamespacePath; readonly ref: SnapshotRef } {
  const [, ns = '', snapshot = ''] = /^(?:([a-z]+):)?(.*)$/.exec(key) ?? []
  return { ns: parseNamespace(ns), ref: parseSnapshot(snapshot) }
}

export async function openStore(running: Running): Promise<Datastore> {
  const { process, world, actor, random } = running
  if (world.hasAlias && random.chance(0.5)) return await process.lookup(ALIAS_NAME)
  if (!world.countsUses) return await process.lookup()
  const use = await process.use()
  world.uses.set(actor, use)
  return use.store
}
