/** The door through which an operation says how far it is and hears that it shall stop. */

/** What a long operation is given; a task log, a terminal or a test stands behind it. */
export interface Progress {
  /** One line of product output, without line end. */
  log(line: string): void
  /** A line that makes the outcome "ok with warnings". */
  warn(line: string): void
  /** `done` of `total` units of `what`; called often, so an implementation must be cheap. */
  advance(what: string, done: number, total: number | null): void
  /** Aborted when the operation shall stop; checked between items. */
  readonly signal: AbortSignal
}

/** How a warning stands in logs: marked, unless it says itself that it is one (rest-api.md 6.5). */
export function warningLine(line: string): string {
  return line.startsWith('warning: ') ? line : `WARN: ${line}`
}

/** A Progress that keeps nothing and is never aborted. */
export function silentProgress(signal: AbortSignal = new AbortController().signal): Progress {
  return { log() {}, warn() {}, advance() {}, signal }
}
