/** Errors of the administration commands. */
import { defineErrors } from '../../base/define-errors.ts'

export const errors = defineErrors({
  NO_CONFIGURATION: {
    kind: 'NotFound',
    message: ({ path }: { readonly path: string }) =>
      `Cannot open configuration '${path}': it does not exist; name it by --data or --config-dir, or make it by cairn serve`,
  },
  /** (text of stock) */
  TASK_FAILED: {
    kind: 'Io',
    message: ({ status }: { readonly upid: string; readonly status: string }) =>
      `task failed (status ${status})`,
  },
  /** (text of stock) */
  ACL_WITHOUT_USER: {
    kind: 'Invalid',
    message: (_data: Readonly<Record<string, unknown>>) => "missing 'userid' or 'group' parameter.",
  },
  /** (text of stock) */
  ACL_GROUP: {
    kind: 'Unsupported',
    message: (_data: Readonly<Record<string, unknown>>) =>
      "parameter 'group' - groups are currently not supported.",
  },
  SERVER_RUNNING: {
    kind: 'Conflict',
    message: ({ run, pid }: { readonly run: string; readonly pid: number | null }) =>
      `Cannot start: ${pid === null ? 'another server' : `process ${pid}`} serves with the run folder '${run}'`,
  },
  SERVER_NOT_RUNNING: {
    kind: 'NotFound',
    message: ({ run }: { readonly run: string }) => `no server runs with the run folder '${run}'`,
  },
  SERVER_UNREACHABLE: {
    kind: 'Io',
    message: ({ run, reason }: { readonly run: string; readonly reason: string }) =>
      `Cannot reach the server that runs with the run folder '${run}': ${reason}`,
  },
  SERVER_ENDED: {
    kind: 'Io',
    message: ({ status }: { readonly status: number }) => `the server ended with status ${status}`,
  },
  RELOAD_FAILED: {
    kind: 'Io',
    message: ({ reason }: { readonly reason: string }) => `reload failed: ${reason}`,
  },
  PASSWORD_REALM: {
    kind: 'Unsupported',
    message: ({ realm }: { readonly realm: string }) =>
      `Cannot store a password for a user of realm '${realm}': only realm 'pbs' keeps them here`,
  },
  ADMIN_PASSWORD_SHORT: {
    kind: 'Invalid',
    message: ({ lengthMin }: { readonly lengthMin: number }) =>
      `Cannot use CAIRN_ADMIN_PASSWORD: it must be at least ${lengthMin} characters long`,
  },
})
