/**
 * One call, as many attempts as its budget allows (datastore-semantics.md 19.2, races.md R-60).
 *
 * An attempt that was begun is waited for; the signal is looked at between attempts. Nothing is repeated that a definite
 * answer forbids. What is left behind when a call fails is told: `isLate`.
 */
import { randomInt } from 'node:crypto'
import { Semaphore } from '../../base/async/semaphore.ts'
import { CairnError, toError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Clock } from '../../base/time/clock.ts'
import { errors, type S3Failure } from './errors.ts'
import { explainFailure, type Failure } from './failure.ts'

/** Stock gives up after 3; a store that restarts needs longer: 1, 3, 9, 27 and 30 s are 70 s in all. */
export const ATTEMPTS_MAX = 6
const DELAY_FIRST_MS = 1_000
const DELAY_FACTOR = 3
const DELAY_MAX_MS = 30_000
/** Two conditional PUTs of one key are over soon. */
const CONFLICT_DELAY_FIRST_MS = 100
/** A store may ask for a longer pause than ours, but not for any; then the call fails. */
const RETRY_AFTER_MAX_MS = 60_000
/** Pauses differ by up to this part, so that many callers do not come back at once. */
const JITTER = 0.25
/** As much as the library corrects; behind it signatures are refused. */
const CLOCK_SKEW_MS = 240_000

export interface Call {
  /** For messages: `put`, `list`, … */
  readonly operation: string
  readonly key: string | null
  /** For all attempts together, from the first one's start. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Whether a failure is not repeated but told at once: the probe wants to see it. */
  readonly isSingle?: boolean
}

export interface Steps<Result> {
  /** One attempt. The signal is aborted when the call's time is over; it goes to the request. */
  readonly send: (signal: AbortSignal) => Promise<Result>
  /** The result that a failure stands for; undefined: none. */
  readonly accept?: ((failure: Failure) => Result | undefined) | undefined
  /** Waits until an attempt may be begun; nothing was sent yet. */
  readonly prepare?: (() => Promise<void>) | undefined
}

export interface Outcome<Result> {
  readonly result: Result
  /** An attempt before the last was given up without an answer. */
  readonly isLate: boolean
}

export interface AttemptsOptions {
  readonly place: string
  /** Requests at a time. */
  readonly concurrency: number
  readonly clock: Clock
  readonly log: Log
  /** The store's clock minus ours as of its last answer; null: unknown. */
  readonly clockOffset: () => number | null
}

export class Attempts {
  readonly #options: AttemptsOptions
  readonly #turns: Semaphore

  constructor(options: AttemptsOptions) {
    this.#options = options
    this.#turns = new Semaphore(options.concurrency)
  }

  /** What `steps` give. Throws S3_REFUSED, S3_UNAVAILABLE, the signal's reason, what `accept` throws. */
  async run<Result>(call: Call, steps: Steps<Result>): Promise<Outcome<Result>> {
    const { clock, log, place } = this.#options
    call.signal?.throwIfAborted()
    let isLate = false
    let endMs = Number.POSITIVE_INFINITY
    for (let attempt = 1; ; attempt += 1) {
      const turn = await this.#turn(call, steps.prepare, isLate)
      if (attempt === 1) endMs = clock.monotonic() + call.timeoutMs
      const failure = await this.#attempt(endMs, steps.send, turn)
      if ('result' in failure) return { result: failure.result, isLate }
      isLate ||= failure.isLate
      const answer = steps.accept?.(failure)
      if (answer !== undefined) return { result: answer, isLate }
      const fields = { operation: call.operation, key: call.key, attempt, code: failure.code }
      log.debug(() => ({ ...fields, place, isLate }), 'request to the bucket failed')
      const delayMs = call.isSingle === true ? null : this.#planDelay(failure, attempt, endMs)
      if (delayMs === null) throw this.#error(call, failure, isLate)
      log.info(`${failure.reason}; trying again`, {
        ...fields,
        requestId: failure.requestId,
        delayMs,
      })
      await this.#pause(call, delayMs, isLate)
    }
  }

  /** A failure that is not one attempt's: the same words for all. */
  describe(call: Call, failure: Failure, isLate: boolean): S3Failure {
    const { operation, key } = call
    const { requestId, reason, advice } = failure
    return { operation, place: this.#options.place, key, requestId, reason, advice, isLate }
  }

  async #attempt<Result>(
    endMs: number,
    send: (signal: AbortSignal) => Promise<Result>,
    turn: Disposable,
  ): Promise<{ readonly result: Result } | Failure> {
    const { clock } = this.#options
    const over = new AbortController()
    const answered = new AbortController()
    using _turn = turn
    clock.sleep(Math.max(0, endMs - clock.monotonic()), answered.signal).then(
      () => over.abort(),
      () => {},
    )
    try {
      return { result: await send(over.signal) }
    } catch (error) {
      // What is no matter of the network is a bug or a limit of ours, and goes up as it is.
      if (error instanceof CairnError && !isOfConnection(error)) throw error
      if (over.signal.aborted) return timedOut(error)
      return explainFailure(error, clock.now())
    } finally {
      answered.abort()
    }
  }

  /** How long to wait before the next attempt; null: there is none. */
  #planDelay(failure: Failure, attempt: number, endMs: number): number | null {
    if (failure.kind === 'refused' && !(attempt === 1 && this.#isClockProblem(failure))) return null
    if (failure.kind === 'absent' || failure.kind === 'unmet' || attempt >= ATTEMPTS_MAX)
      return null
    const first = failure.kind === 'conflict' ? CONFLICT_DELAY_FIRST_MS : DELAY_FIRST_MS
    const planned = Math.min(first * DELAY_FACTOR ** (attempt - 1), DELAY_MAX_MS)
    const asked = failure.retryAfterMs ?? 0
    if (asked > RETRY_AFTER_MAX_MS) return null
    const jitter = 1 + (randomInt(-1_000, 1_001) / 1_000) * JITTER
    const delayMs = Math.max(Math.round(planned * jitter), asked)
    return this.#options.clock.monotonic() + delayMs >= endMs ? null : delayMs
  }

  /** The library takes the store's time from its answer: the next signature may be right. */
  #isClockProblem({ code }: Failure): boolean {
    if (code === 'RequestTimeTooSkewed' || code === 'RequestExpired') return true
    const isMute = code === '403'
    return isMute && Math.abs(this.#options.clockOffset() ?? 0) > CLOCK_SKEW_MS
  }

  async #turn(
    call: Call,
    prepare: Steps<unknown>['prepare'],
    isLate: boolean,
  ): Promise<Disposable> {
    try {
      await prepare?.()
      return await this.#turns.acquire(1, call.signal)
    } catch (error) {
      throw this.#aborted(call, error, isLate)
    }
  }

  async #pause(call: Call, delayMs: number, isLate: boolean): Promise<void> {
    try {
      await this.#options.clock.sleep(delayMs, call.signal)
    } catch (error) {
      throw this.#aborted(call, error, isLate)
    }
  }

  /** The signal's reason, unless a request may still be executed: that must not be lost. */
  #aborted(call: Call, reason: unknown, isLate: boolean): unknown {
    if (!isLate) return reason
    const failure = { ...ABORTED, operation: call.operation, key: call.key, isLate }
    return errors.S3_UNAVAILABLE({ ...failure, place: this.#options.place }, { cause: reason })
  }

  #error(call: Call, failure: Failure, isLate: boolean): CairnError {
    const data = this.describe(call, failure, isLate)
    const options = failure.cause === undefined ? {} : { cause: failure.cause }
    const isRefused =
      failure.kind === 'refused' || failure.kind === 'absent' || failure.kind === 'unmet'
    return isRefused ? errors.S3_REFUSED(data, options) : errors.S3_UNAVAILABLE(data, options)
  }
}

const ABORTED = {
  requestId: null,
  reason: 'aborted while an attempt was not answered',
  advice: 'the store may still execute it',
}

function isOfConnection(error: CairnError): boolean {
  return ['CONNECT_FAILED', 'CONNECT_TIMED_OUT', 'TLS_FINGERPRINT_REFUSED'].includes(error.code)
}

function timedOut(thrown: unknown): Failure {
  return {
    kind: 'again',
    isLate: true,
    code: 'TimeoutError',
    requestId: null,
    retryAfterMs: null,
    reason: 'no answer within the time',
    advice: 'check the network and the load of the store',
    cause: toError(thrown),
  }
}
