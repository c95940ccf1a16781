/** Maintenance modes: who is let in, and with which text others are refused (datastore-semantics.md 13). */
import { errors } from './errors.ts'
import type { DatastoreSettings, MaintenanceType } from './settings.ts'

/** What a caller is about to do: only look at it from outside, read, or change. */
export type Operation = 'lookup' | 'read' | 'write'

/** Throws DATASTORE_UNAVAILABLE if the maintenance mode forbids `operation`. */
export function checkMaintenance(
  store: string,
  settings: DatastoreSettings,
  operation: Operation,
): void {
  const { maintenance } = settings
  if (maintenance === null) return
  const { type, message } = maintenance
  if (operation === 'lookup' && type !== 'delete') return
  if (operation === 'read' && type === 'read-only') return
  throw errors.DATASTORE_UNAVAILABLE({ store, reason: reasonOf(type, message) })
}

function reasonOf(type: MaintenanceType, message: string): string {
  switch (type) {
    case 'read-only':
      return `read-only maintenance mode: ${message}`
    case 'offline':
      return `offline maintenance mode: ${message}`
    case 's3-refresh':
      return `S3 refresh maintenance mode: ${message}`
    case 'unmount':
      return 'datastore is being unmounted'
    case 'delete':
      return 'datastore is being deleted'
    default:
      return type satisfies never
  }
}

/** Modes in which nothing of the datastore is to be held open. */
export function isOutOfUse({ maintenance }: DatastoreSettings): boolean {
  return maintenance !== null && ['offline', 'unmount', 'delete'].includes(maintenance.type)
}
