/** Long loops over digests in the main thread let others run now and then. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** About a millisecond of table operations. */
export const STEPS_PER_BREATH = 4096

/** Resolves after the events that wait have been handled. */
export async function breathe(): Promise<void> {
  await nextTurn()
}
