/** `node:timers/promises` for the code under test: a turn of the event loop is a step, a pause a step with a time. */
import { currentScheduler } from './runtime.ts'

export async function setImmediate<Value>(value?: Value): Promise<Value | undefined> {
  await currentScheduler().call('turn', '', () => undefined)
  return value
}

export async function setTimeout(
  delayMs: number,
  _value?: unknown,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  await currentScheduler().sleep(delayMs, options.signal)
}
