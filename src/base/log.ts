/** The door for diagnostics: free when off, with fields, secrets redacted by their own type. */

export type LogFields = Readonly<Record<string, unknown>>

/** A sink for diagnostics; the server plugs pino in. Task logs are something else (`Progress`). */
export interface Log {
  /** `fields` is called only when debugging is on. */
  debug(fields: () => LogFields, message: string): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

/** A Log that keeps nothing. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
