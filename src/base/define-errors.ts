/** Typed declaration of the error codes of one folder. */
import { CairnError, type ErrorKind } from './errors.ts'

export interface ErrorDefinition<Data> {
  readonly kind: ErrorKind
  /** The message for `data`; `Cannot <verb> <thing> '<name>': <state>`, or the text stock clients read. */
  readonly message: (data: Data) => string
  readonly retryable?: boolean
}

type Definitions = Record<string, ErrorDefinition<never>>

export type ErrorFactories<Table extends Definitions> = {
  readonly [Code in keyof Table]: Table[Code] extends ErrorDefinition<infer Data>
    ? (data: Data, options?: { readonly cause?: unknown }) => CairnError
    : never
}

/** Makes one factory per code: `throw errors.CHUNK_MISSING({ digest }, { cause })`. */
export function defineErrors<Table extends Definitions>(table: Table): ErrorFactories<Table> {
  const factories: Record<string, (data: never, options?: { cause?: unknown }) => CairnError> = {}
  for (const [code, definition] of Object.entries(table)) {
    factories[code] = (data, options) =>
      new CairnError(definition.message(data), {
        kind: definition.kind,
        code,
        data,
        retryable: definition.retryable ?? false,
        ...(options?.cause === undefined ? {} : { cause: options.cause }),
      })
  }
  return Object.freeze(factories) as ErrorFactories<Table>
}
