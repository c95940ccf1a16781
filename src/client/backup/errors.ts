/** Errors of walking a tree; the texts are the stock client's (pxar.md 12 and 13). */
import { defineErrors } from '../../base/define-errors.ts'

export const errors = defineErrors({
  SOURCE_VIRTUAL: {
    kind: 'Invalid',
    message: () => 'refusing to backup a virtual file system',
  },
  /** A directory or file of the tree cannot be read for a reason that does not allow leaving it out. */
  SOURCE_UNREADABLE: {
    kind: 'Io',
    message: ({ action, path }: { action: string; path: string }) => `${action} ${path}`,
  },
  ENTRIES_EXCEEDED: {
    kind: 'Invalid',
    message: ({ entriesMax }: { entriesMax: number }) =>
      `exceeded allowed number of file entries (> ${entriesMax})`,
  },
  FILE_TYPE_UNKNOWN: {
    kind: 'Unsupported',
    message: ({ path, mode }: { path: string; mode: number }) =>
      `encountered unknown file type: 0${mode.toString(8)} (${path})`,
  },
  XATTRS_TOO_LARGE: {
    kind: 'Invalid',
    message: ({ path }: { path: string }) =>
      `Cannot read extended attributes of ${path}: too large for the kernel, ` +
      'use --skip-e2big-xattr to leave them out',
  },
  EXCLUDE_INVALID: {
    kind: 'Invalid',
    message: ({ reason }: { reason: string }) => `invalid exclude pattern entry: ${reason}`,
  },
  /** The thread that walks the tree ended without saying why. */
  WALKER_LOST: {
    kind: 'Io',
    message: ({ exitCode }: { exitCode: number }) =>
      `Cannot read the tree: its thread ended with code ${exitCode}`,
  },
})
