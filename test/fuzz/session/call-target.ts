/** Sends right and wrong calls over sessions that stay open as long as they are good for something. */
import type { SeededRandom } from '../../../bench/support/random.ts'
import { type CairnError, hasCode } from '../../../src/base/errors.ts'
import type { H2Session } from '../../../src/transport/h2-session.ts'
import type { FuzzTarget } from '../fuzz.ts'
import { type Call, mutateCall, type NextCall, urlOf } from './call.ts'
import type { FuzzedServer } from './fuzzed-server.ts'
import { judge, refusal, within } from './judge.ts'

/** A session and what makes its calls. */
export interface OpenCalls {
  readonly session: H2Session
  next(random: SeededRandom): Promise<NextCall>
}

export interface CallTargetOptions {
  readonly name: string
  /** Bodies that calls of the protocol have. */
  readonly samples: readonly Uint8Array[]
  readonly server: FuzzedServer
  open(random: SeededRandom): Promise<OpenCalls>
}

/** Knows when its connection is gone. */
interface LiveCalls extends OpenCalls {
  isOver: boolean
}

/** Sessions at the same time: groups and chunks are shared, so they meet. */
const SESSIONS_MAX = 3
const CALLS_AT_ONCE_MAX = 4
/** One call in so many ends the session, politely or not. */
const END_EVERY = 60
/** The last lines of what was sent are told when something is wrong. */
const HISTORY_LENGTH = 30

export function callTarget(options: CallTargetOptions): FuzzTarget {
  const sessions: LiveCalls[] = []
  const history: string[] = []
  const note = (line: string): void => {
    if (history.push(line) > HISTORY_LENGTH) history.shift()
  }
  return {
    name: options.name,
    samples: options.samples,
    mayRefuseSamples: true,
    async decode(bytes, random) {
      try {
        const calls = await chooseSession(options, sessions, random)
        const count = 1 + random.below(CALLS_AT_ONCE_MAX)
        const turns = Array.from({ length: count }, () => callOnce(calls, bytes, random, note))
        const outcomes = await Promise.allSettled(turns)
        if (random.below(END_EVERY) === 0) await endSession(calls, random)
        throwWorst(outcomes)
      } catch (error) {
        if (hasCode(error, 'FUZZ_REFUSED', 'UPGRADE_REFUSED')) throw checkRefusal(error)
        throw new Error(`after these calls:\n${history.join('\n')}`, { cause: error })
      }
    },
    async end() {
      for (const calls of sessions.splice(0)) await calls.session.close()
      await options.server.checkQuiet()
    },
  }
}

async function chooseSession(
  options: CallTargetOptions,
  sessions: LiveCalls[],
  random: SeededRandom,
): Promise<LiveCalls> {
  const known = sessions[random.below(SESSIONS_MAX)]
  if (known !== undefined && !known.isOver) return known
  const opened = await within('upgrade', options.open(random))
  const live = Object.assign(opened, { isOver: false })
  void live.session.closed.then(() => (live.isOver = true))
  const free = sessions.findIndex(({ isOver }) => isOver)
  sessions[free < 0 ? sessions.length : free] = live
  return live
}

async function callOnce(
  calls: LiveCalls,
  damaged: Uint8Array,
  random: SeededRandom,
  note: (line: string) => void,
): Promise<void> {
  const { call: right, done } = await calls.next(random)
  const isWrong = random.below(2) === 0
  const call = isWrong ? mutateCall(right, damaged, random) : right
  const what = `${call.method} ${urlOf(call)} ${call.contentType} ${call.body?.length} ${call.cutAt}`
  note(what)
  const answer = await within(what, send(calls, call))
  judge(what, answer)
  if (call.cutAt === null) done(answer.data)
}

async function send(
  calls: LiveCalls,
  call: Call,
): Promise<{ readonly status: number; readonly text: string; readonly data: unknown }> {
  const cut = new AbortController()
  const isCut = call.cutAt !== null
  try {
    const answer = await calls.session.request(call.method, urlOf(call), {
      contentType: call.contentType,
      ...(isCut ? { signal: cut.signal, body: cutBody(call, cut) } : bodyOf(call)),
    })
    const text = answer.body.toString('utf8')
    return { status: answer.status, text, data: dataOf(answer.status, text) }
  } catch (error) {
    // A stream may be lost with what was wrong on it; the connection goes on.
    const isLost = hasCode(error, 'SESSION_LOST') || (isCut && cut.signal.aborted)
    if (isLost && !calls.isOver) throw refusal(String(error))
    throw error
  }
}

function bodyOf({ body }: Call): { readonly body?: Uint8Array } {
  return body === null ? {} : { body }
}

async function* cutBody({ body, cutAt }: Call, cut: AbortController): AsyncGenerator<Uint8Array> {
  yield Buffer.from((body ?? new Uint8Array(0)).subarray(0, cutAt ?? 0))
  cut.abort()
}

function dataOf(status: number, text: string): unknown {
  if (status !== 200 || !text.startsWith('{')) return undefined
  return (JSON.parse(text) as { data?: unknown }).data
}

async function endSession({ session }: OpenCalls, random: SeededRandom): Promise<void> {
  if (random.below(2) === 0) session.destroy()
  await session.close()
}

/** What must not be wins over refusals. */
function throwWorst(outcomes: readonly PromiseSettledResult<void>[]): void {
  const reasons = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  const bad = reasons.find((reason) => !hasCode(reason, 'FUZZ_REFUSED'))
  if (reasons.length > 0) throw bad ?? reasons[0]
}

function checkRefusal(error: CairnError): Error {
  const { status } = error.data
  const isOurFailure = typeof status === 'number' && status >= 500
  return isOurFailure ? new Error('the server failed', { cause: error }) : error
}
