/** Errors of authentication. All carry the wire status 401; texts are stock's unless it knows no such case. */
import { defineErrors } from '../../base/define-errors.ts'

interface Refusal {
  readonly status: number
  /** What `auth.log` tells and the answer does not. */
  readonly reason: string
}

export const errors = defineErrors({
  AUTHENTICATION_FAILED: {
    kind: 'Denied',
    message: (_data: Refusal) => 'authentication failed',
  },
  LOGIN_FAILED: { kind: 'Denied', message: (_data: Refusal) => 'permission check failed.' },
  /** Ours: the password was right, but the login would need more than we can check. */
  LOGIN_UNSUPPORTED: { kind: 'Denied', message: ({ reason }: Refusal) => reason },
  PASSWORD_NOT_CONFIRMED: { kind: 'Denied', message: ({ reason }: Refusal) => reason },
  NO_PASSWORD: {
    kind: 'Invalid',
    message: (_data: Readonly<Record<string, unknown>>) => 'no password provided',
  },
  MISSING_PERMISSIONS: {
    kind: 'Denied',
    message: ({
      path,
      names,
      separator,
    }: {
      readonly path: string
      readonly names: readonly string[]
      readonly separator: string
      readonly status: number
    }) => `missing permissions '${names.join(separator)}' on '${path}'`,
  },
})
