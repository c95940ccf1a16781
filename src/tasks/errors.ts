/** Error codes of tasks. */
import { defineErrors } from '../base/define-errors.ts'

export const errors = defineErrors({
  /** (wire, rest-api.md 4.4) */
  TASK_LOG_MISSING: {
    kind: 'NotFound',
    message: (_data: { readonly upid: string; readonly status: number }) =>
      'No such file or directory (os error 2)',
  },
  /** (wire) How an aborted task ends unless it says something better. */
  TASK_ABORTED: {
    kind: 'Conflict',
    message: (_data: { readonly upid: string }) => 'abort requested - aborting task',
  },
  /** (wire, datastore-semantics.md 12.8) */
  SERVER_ENDING: {
    kind: 'Conflict',
    message: (_data: { readonly upid: string }) => 'Server shutdown requested - aborting task',
  },
  TASKS_TOO_MANY: {
    kind: 'Conflict',
    message: ({ max }: { readonly max: number }) =>
      `Cannot start task: ${max} tasks are running already`,
  },
})
