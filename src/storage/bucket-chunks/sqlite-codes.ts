/** Errors of `node:sqlite`, told apart by SQLite's primary result codes. */

export const SQLITE_BUSY = 5
export const SQLITE_CORRUPT = 11
export const SQLITE_NOTADB = 26
/** Extended codes have more above it. */
const PRIMARY_MASK = 0xff

/** Whether SQLite threw `error` with one of `codes`. */
export function hasSqliteCode(error: unknown, ...codes: readonly number[]): error is Error {
  if (!(error instanceof Error) || !('errcode' in error)) return false
  return typeof error.errcode === 'number' && codes.includes(error.errcode & PRIMARY_MASK)
}

/** What comes from a thread has lost its numbers. */
const DAMAGE_TEXT = /database disk image is malformed|file is not a database/

/** Whether `error`, of this thread or another, says that the file is damaged. */
export function isDamage(error: unknown): boolean {
  if (hasSqliteCode(error, SQLITE_CORRUPT, SQLITE_NOTADB)) return true
  return error instanceof Error && DAMAGE_TEXT.test(error.message)
}
