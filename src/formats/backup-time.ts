/** Backup times: Unix seconds here, the name of a snapshot's folder on disk (formats.md 9.2). */
import { errors } from './errors.ts'

/** The text form of a backup time, e.g. `2026-01-01T00:00:00Z`. */
export const BACKUP_TIME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/

const YEAR_0000_SECONDS = -62_167_219_200
const YEAR_9999_END_SECONDS = 253_402_300_799

/**
 * The folder name of `backupTime` (Unix seconds): UTC, `YYYY-MM-DDTHH:MM:SSZ`.
 * Throws BACKUP_TIME_OUT_OF_RANGE for what has no such name.
 */
export function formatBackupTime(backupTime: number): string {
  const isWritable =
    Number.isInteger(backupTime) &&
    backupTime >= YEAR_0000_SECONDS &&
    backupTime <= YEAR_9999_END_SECONDS
  if (!isWritable) throw errors.BACKUP_TIME_OUT_OF_RANGE({ seconds: backupTime })
  return `${new Date(backupTime * 1000).toISOString().slice(0, 19)}Z`
}

/**
 * Unix seconds of a folder name. Throws BACKUP_TIME_INVALID.
 *
 * A name that is not the one `formatBackupTime` gives for its time (30 February, second 60) is refused although
 * stock would take it for a neighbour: two names for one time would let one snapshot be reached by two paths.
 */
export function parseBackupTime(text: string): number {
  const milliseconds = BACKUP_TIME.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(milliseconds)) throw errors.BACKUP_TIME_INVALID({ text })
  const backupTime = milliseconds / 1000
  if (formatBackupTime(backupTime) !== text) throw errors.BACKUP_TIME_INVALID({ text })
  return backupTime
}
