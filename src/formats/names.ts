/** Names of groups and snapshots, and of datastores: parse, format, compare (formats.md 9.2). */
import { BACKUP_TIME, formatBackupTime, parseBackupTime } from './backup-time.ts'
import { errors } from './errors.ts'
import { SAFE_ID } from './safe-id.ts'

declare const brand: unique symbol

/** What was backed up: a virtual machine, a container, a host. */
export type BackupType = 'vm' | 'ct' | 'host'
export type BackupId = string & { readonly [brand]: 'BackupId' }
export type StoreName = string & { readonly [brand]: 'StoreName' }

export interface GroupRef {
  readonly type: BackupType
  readonly id: BackupId
}

export interface SnapshotRef extends GroupRef {
  /** Backup time, Unix seconds. */
  readonly time: number
}

/** In the order of listings. */
export const BACKUP_TYPES: readonly BackupType[] = Object.freeze(['ct', 'host', 'vm'])

export const STORE_NAME_LENGTH_MIN = 3
export const STORE_NAME_LENGTH_MAX = 32

export function isBackupType(text: string): text is BackupType {
  return text === 'vm' || text === 'ct' || text === 'host'
}

/** Throws BACKUP_TYPE_INVALID. */
export function parseBackupType(text: string): BackupType {
  if (!isBackupType(text)) throw errors.BACKUP_TYPE_INVALID({ text })
  return text
}

/** Throws BACKUP_ID_INVALID. */
export function parseBackupId(text: string): BackupId {
  if (!SAFE_ID.test(text)) throw errors.BACKUP_ID_INVALID({ text })
  return text as BackupId
}

/** Throws STORE_NAME_INVALID. */
export function parseStoreName(text: string): StoreName {
  const fits = text.length >= STORE_NAME_LENGTH_MIN && text.length <= STORE_NAME_LENGTH_MAX
  if (!fits || !SAFE_ID.test(text)) throw errors.STORE_NAME_INVALID({ text })
  return text as StoreName
}

/** `host/x` to its parts; throws GROUP_INVALID with stock's text. */
export function parseGroup(text: string): GroupRef {
  const [type = '', id = '', ...rest] = text.split('/')
  if (rest.length > 0 || !isBackupType(type) || !SAFE_ID.test(id)) {
    throw errors.GROUP_INVALID({ text })
  }
  return { type, id: id as BackupId }
}

/** `host/x`. */
export function formatGroup(group: GroupRef): string {
  return `${group.type}/${group.id}`
}

/** `host/x/2026-01-01T00:00:00Z` to its parts; throws SNAPSHOT_INVALID with stock's text. */
export function parseSnapshot(text: string): SnapshotRef {
  const [type = '', id = '', time = '', ...rest] = text.split('/')
  if (rest.length > 0 || !isBackupType(type) || !SAFE_ID.test(id) || !BACKUP_TIME.test(time)) {
    throw errors.SNAPSHOT_INVALID({ text })
  }
  try {
    return { type, id: id as BackupId, time: parseBackupTime(time) }
  } catch (cause) {
    throw errors.SNAPSHOT_INVALID({ text }, { cause })
  }
}

/** `host/x/2026-01-01T00:00:00Z`, also its folder below the namespace's. */
export function formatSnapshot(snapshot: SnapshotRef): string {
  return `${formatGroup(snapshot)}/${formatBackupTime(snapshot.time)}`
}

export function groupOf(snapshot: SnapshotRef): GroupRef {
  return { type: snapshot.type, id: snapshot.id }
}

/**
 * Order of groups in listings: ct, host, vm; then ids that are numbers (below 2^64) by value before the others,
 * those bytewise.
 */
export function compareGroups(a: GroupRef, b: GroupRef): number {
  return compareText(a.type, b.type) || compareIds(a.id, b.id)
}

/** Group order, then oldest first. */
export function compareSnapshots(a: SnapshotRef, b: SnapshotRef): number {
  return compareGroups(a, b) || a.time - b.time
}

function compareIds(a: string, b: string): number {
  const aNumber = numberOf(a)
  const bNumber = numberOf(b)
  if (aNumber === null || bNumber === null) {
    if (aNumber !== bNumber) return aNumber === null ? 1 : -1
    return compareText(a, b)
  }
  if (aNumber === bNumber) return compareText(a, b) // '7' and '007' are two groups
  return aNumber < bNumber ? -1 : 1
}

function numberOf(id: string): bigint | null {
  if (!/^[0-9]{1,40}$/.test(id)) return null
  const value = BigInt(id)
  return value < 1n << 64n ? value : null
}

// Code units are bytes here: ids and types are ASCII.
function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
