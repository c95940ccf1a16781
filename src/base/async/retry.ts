/** Repeats what failed for a reason that may pass; the reason itself says so. */
import { CairnError } from '../errors.ts'
import type { Clock } from '../time/clock.ts'

/** No pause between two attempts is longer than this: an operator waits behind it. */
const DELAY_MAX_MS = 30_000

export interface RetryOptions {
  /** Calls of `fn` in all, the first included. */
  readonly attemptsMax: number
  /** Pause before the second attempt; doubles after each, up to 30 s. */
  readonly delayMs: number
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
}

/** Result of `fn`, called again while it throws a retryable CairnError and attempts are left. */
export async function retry<Result>(
  fn: (attempt: number) => Promise<Result>,
  options: RetryOptions,
): Promise<Result> {
  const { attemptsMax, clock, signal } = options
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    try {
      return await fn(attempt)
    } catch (error) {
      if (attempt >= attemptsMax || !isRetryable(error)) throw error
    }
    await clock.sleep(Math.min(options.delayMs * 2 ** (attempt - 1), DELAY_MAX_MS), signal)
  }
}

function isRetryable(error: unknown): boolean {
  return error instanceof CairnError && error.retryable
}
