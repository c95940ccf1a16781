/** Whoever is refused hears it late, so that guessing is slow. Source: rest-api.md 1.3, 1.9. */
import type { Clock } from '../../base/time/clock.ts'

export const REFUSAL_DELAY_MS = 3000

/** Starts counting; the function it returns waits for what is left of 3 s. */
export function refusalDelay(clock: Clock): () => Promise<void> {
  const end = clock.monotonic() + REFUSAL_DELAY_MS
  return async () => {
    const leftMs = end - clock.monotonic()
    if (leftMs > 0) await clock.sleep(leftMs)
  }
}
