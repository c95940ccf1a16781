/** Errors of the command line; texts are stock's (spec cli 1.1). */
import { CairnError } from '../base/errors.ts'
import { defineErrors } from '../base/define-errors.ts'

/** A wrong command line: the usage of `usageOf` is shown below its message. */
export class UsageError extends CairnError {
  constructor(message: string) {
    super(message, { kind: 'Invalid', code: 'USAGE' })
    this.name = 'UsageError'
  }
}

export const cliErrors = defineErrors({
  NO_PASSWORD_INPUT: {
    kind: 'Denied',
    message: () => 'no password input mechanism available',
  },
  CANCELLED: { kind: 'Conflict', message: () => 'cancelled' },
})
