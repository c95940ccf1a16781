/** What a schedule has shown: which invariant does not hold, and where. */

export class Violation extends Error {
  /** As in datastore-semantics.md section 2, or `stuck`, `crash`, `leak`. */
  readonly invariant: string

  constructor(invariant: string, text: string) {
    super(`${invariant}: ${text}`)
    this.name = 'Violation'
    this.invariant = invariant
  }
}

export function errorText(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : 'something that is no error'
}
