/** Error codes of chunking. */
import { defineErrors } from '../base/define-errors.ts'

export const errors = defineErrors({
  /** A record of reused chunks names a place in the payload stream that is already behind. */
  INJECTION_BOUNDARY_INVALID: {
    kind: 'Invalid',
    message: (data: { readonly boundary: number; readonly position: number }) =>
      `invalid injection boundary: ${data.boundary} < ${data.position}`,
  },
  /** The payload stream ended before the place at which reused chunks were to be spliced in. */
  INJECTIONS_LEFT: {
    kind: 'Invalid',
    message: (data: { readonly boundary: number; readonly position: number }) =>
      `injection queue not fully consumed: ${data.boundary} > ${data.position}`,
  },
})
