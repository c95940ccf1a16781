/** Error codes of base/async. */
import { defineErrors } from '../define-errors.ts'

export const errors = defineErrors({
  /** A worker thread ended while it had a task; the task's effects are unknown. */
  WORKER_CRASHED: {
    kind: 'Io',
    message: (data: { readonly script: string; readonly exitCode: number | null }) =>
      `Cannot finish task in worker '${data.script}': thread ended with code ${data.exitCode}`,
  },
  WORKER_POOL_CLOSED: {
    kind: 'Conflict',
    message: (data: { readonly script: string }) =>
      `Cannot run task in worker '${data.script}': pool is closed`,
  },
})
