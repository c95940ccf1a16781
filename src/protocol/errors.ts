/** Errors of the request shapes; every text is the one stock clients read. */
import { defineErrors } from '../base/define-errors.ts'

/** What is wrong with one parameter. */
export interface ParameterProblem {
  /** Name as reported: `ns`, `delete`, `digest-list/[3]`. */
  readonly name: string
  readonly text: string
}

export const errors = defineErrors({
  /** One or several parameters are missing, unknown or ill-formed (backup-protocol §3.4). */
  PARAMETERS_INVALID: {
    kind: 'Invalid',
    message: ({ problems }: { readonly problems: readonly ParameterProblem[] }) =>
      formatProblems(problems),
  },
  /** The parameters cannot be read at all; `text` is the whole message. */
  PARAMETERS_UNREADABLE: {
    kind: 'Invalid',
    message: ({ text }: { readonly text: string }) => text,
  },
  CONTENT_TYPE_UNSUPPORTED: {
    kind: 'Invalid',
    message: ({ contentType }: { readonly contentType: string }) =>
      `unsupported content type Ok(${JSON.stringify(contentType)})`,
  },
  BODY_TOO_LARGE: {
    kind: 'Invalid',
    message: (_data: { readonly sizeMax: number }) => 'Request body too large',
  },
  /** The client went away; nobody reads the answer. */
  BODY_BROKEN: {
    kind: 'Invalid',
    message: (_data: Readonly<Record<string, never>>) => 'error reading a body from connection',
  },
})

function formatProblems(problems: readonly ParameterProblem[]): string {
  const lines = problems.map(({ name, text }) => `'${name}': ${text}`)
  if (lines.length === 1) return `parameter verification failed - ${lines[0]}`
  return ['parameter verification failed:', ...lines.map((line) => `- ${line}`)].join('\n')
}
