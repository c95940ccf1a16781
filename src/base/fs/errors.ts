/** Error codes of base/fs. */
import { defineErrors } from '../define-errors.ts'

export const errors = defineErrors({
  /** This machine lacks a call that only the native seam can make. */
  NATIVE_UNSUPPORTED: {
    kind: 'Unsupported',
    message: (data: { readonly call: string; readonly reason: string }) =>
      `Cannot call ${data.call}: ${data.reason}`,
  },
  /** A lock file is held by somebody else and the time given ran out. Text of stock. */
  LOCK_BUSY: {
    kind: 'Conflict',
    message: (data: { readonly path: string }) =>
      `Unable to acquire lock ${JSON.stringify(data.path)} - Resource temporarily unavailable (os error 11)`,
  },
  /** A lock file was removed or replaced between opening and locking it. Text of stock. */
  LOCK_REPLACED: {
    kind: 'Conflict',
    message: (_data: { readonly path: string }) =>
      'could not acquire lock, another thread modified the lock file',
  },
  /** Another process holds the record lock of a datastore in a way that excludes us. Text of stock. */
  PROCESS_LOCK_BUSY: {
    kind: 'Conflict',
    message: (data: { readonly path: string; readonly mode: 'shared' | 'exclusive' }) =>
      `unable to get ${data.mode} lock - EAGAIN: Try again`,
  },
  /** This process itself holds the record lock exclusively already. */
  PROCESS_LOCK_HELD: {
    kind: 'Conflict',
    message: (_data: { readonly path: string }) => 'already locked exclusively',
  },
})
