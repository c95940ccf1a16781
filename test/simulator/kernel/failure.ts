/** How a simulated call fails without being thrown: throwing and unwinding costs more than the call itself. */
import { systemError } from '../../../src/base/fs/system-error.ts'

/** The answer of a call that failed. */
export class Failure {
  readonly code: string
  readonly syscall: string
  /** Shared by all that fail in the same way, so nobody can change it. */
  readonly error: Error

  constructor(code: string, syscall: string, path: string) {
    this.code = code
    this.syscall = syscall
    this.error = Object.freeze(systemError(code, syscall, path))
  }
}

/** Paths whose failures are kept; all are forgotten when there are more. */
const PATHS_MAX = 20_000
const known = new Map<string, Failure[]>()

/** The failure of `syscall` with `code`, made once for each path. */
export function failure(code: string, syscall: string, path: string): Failure {
  let ofPath = known.get(path)
  if (ofPath === undefined) {
    if (known.size >= PATHS_MAX) known.clear()
    known.set(path, (ofPath = []))
  }
  for (const one of ofPath) if (one.code === code && one.syscall === syscall) return one
  const made = new Failure(code, syscall, path)
  ofPath.push(made)
  return made
}
