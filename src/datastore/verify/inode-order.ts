/** The order in which a disk likes to be asked for chunk files (datastore-semantics.md 11.3). */

/** Where no file is: after all others. */
export const NO_INODE = Number.POSITIVE_INFINITY

/** Positions of `inodes` in ascending order of these; equal ones stay in the order given. */
export function positionsByInode(inodes: Float64Array): Uint32Array {
  const positions = Uint32Array.from(inodes.keys())
  return positions.sort((a, b) => compareInodes(inodes[a] ?? 0, inodes[b] ?? 0) || a - b)
}

// Infinity minus itself is no number.
function compareInodes(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0
}
