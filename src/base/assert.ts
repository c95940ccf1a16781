/** Checks for what only a bug can cause; what disk, peer or user can cause is an error of its folder. */

/** Throws when `condition` is false: a bug in Cairn, never bad input. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`)
}

/** The end of a switch over a union that has no more members. */
export function unreachable(value: never): never {
  throw new Error(`assertion failed: unexpected value ${JSON.stringify(value)}`)
}
