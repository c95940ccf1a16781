/** Errors of the server's own front: routing, permissions, what is not built yet. */
import { defineErrors } from '../base/define-errors.ts'

export const errors = defineErrors({
  PATH_UNKNOWN: {
    kind: 'NotFound',
    message: ({ path }: { readonly path: string }) => `Path '${path}' not found.`,
  },
  /** The declared permission of an endpoint is missing; answered after a delay (rest-api §1.3). */
  PERMISSION_DENIED: {
    kind: 'Denied',
    message: (_data: { readonly path?: string }) => 'permission check failed',
  },
  /** A privilege on a namespace is missing; without delay. */
  NAMESPACE_DENIED: {
    kind: 'Denied',
    message: ({
      privileges,
      path,
    }: {
      readonly privileges: readonly string[]
      readonly path: string
    }) => `permission check failed - missing ${privileges.join('|')} on ${path}`,
  },
  /** `what` comes with a later version. */
  NOT_BUILT_YET: {
    kind: 'Unsupported',
    message: ({ what }: { readonly what: string; readonly status: number }) =>
      `${what} is not built yet: it comes with the next version of Cairn`,
  },
  /** What the probe of a bucket found speaks against it, or it is another one now. */
  S3_UNUSABLE: {
    kind: 'Unsupported',
    message: (data: {
      readonly endpointId: string
      readonly bucket: string
      readonly reason: string
    }) => `Cannot use bucket '${data.bucket}' of S3 endpoint '${data.endpointId}': ${data.reason}`,
  },
  /** A request that stock refuses with this text; `status` says how. */
  REQUEST_REFUSED: {
    kind: 'Invalid',
    message: ({ text }: { readonly text: string; readonly status: number }) => text,
  },
})

/** An error with stock's `text` and the wire status, 400 unless said otherwise. */
export function refused(text: string, status = 400): Error {
  return errors.REQUEST_REFUSED({ text, status })
}
