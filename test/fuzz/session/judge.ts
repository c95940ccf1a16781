/** Whether an answer is one that the protocol has. */
import { CairnError } from '../../../src/base/errors.ts'

/** No call of these sizes takes long; what takes longer hangs. */
export const CALL_TIME_MAX_MS = 60_000

/** Returns for a success, throws a CairnError for a refusal and any other error for what must not be. */
export function judge(
  what: string,
  answer: { readonly status: number; readonly text: string },
): void {
  const { status, text } = answer
  if (status >= 200 && status < 300) return
  if (status >= 400 && status < 500) throw refusal(`${status} ${text}`)
  throw new Error(`${what}: answered with ${status} ${text}`)
}

/** That the input was refused, in a way that is right. */
export function refusal(text: string): CairnError {
  return new CairnError(text, { kind: 'Protocol', code: 'FUZZ_REFUSED' })
}

/** `work`, or an error when it takes too long. */
export async function within<Result>(what: string, work: Promise<Result>): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    reject(new Error(`${what}: no end after ${CALL_TIME_MAX_MS} ms`))
  }, CALL_TIME_MAX_MS)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
