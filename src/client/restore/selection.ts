/** Which entries a restore with patterns takes (pxar.md 16.1). */
import { type MatchEntry, matchList } from '../../archive/path-pattern.ts'

export interface Selected {
  /** Whether the entry itself is extracted; of a directory: whether it is made when it is entered. */
  readonly isTaken: boolean
  /** What entries below a directory start from. */
  readonly isDefault: boolean
}

/** `patterns` may be empty: then everything is taken. */
export class Selection {
  readonly #patterns: readonly MatchEntry[]

  constructor(patterns: readonly MatchEntry[]) {
    this.#patterns = patterns
  }

  /** What entries of the root start from. */
  get isDefault(): boolean {
    return this.#patterns.length === 0
  }

  /** Decides about `path` (`/dir/file`, a byte string); `mode` is 0 for a hard link. */
  select(path: string, mode: number, inherited: boolean): Selected {
    if (this.#patterns.length === 0) return { isTaken: true, isDefault: true }
    const match = matchList(this.#patterns, path, mode)
    const isDefault = match === null ? inherited : match === 'include'
    return { isTaken: isDefault, isDefault }
  }

  /** As select for a directory: one chosen only by its own match waits until something below is taken. */
  selectDirectory(path: string, mode: number, inherited: boolean): Selected {
    const { isDefault } = this.select(path, mode, inherited)
    return { isTaken: inherited && isDefault, isDefault }
  }
}
