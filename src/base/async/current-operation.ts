/**
 * What the running code works for, for diagnostics only: who is told that a lock is busy wants to know who has it.
 * Nothing may be decided by it.
 */
import { AsyncLocalStorage } from 'node:async_hooks'

const current = new AsyncLocalStorage<string>()

/** Runs `work`, and all that it starts, as part of `operation`: a task's identifier, a request. */
export function runAs<Result>(operation: string, work: () => Result): Result {
  return current.run(operation, work)
}

/** The innermost operation, or null outside of all. */
export function currentOperation(): string | null {
  return current.getStore() ?? null
}
