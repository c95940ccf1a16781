/**
 * The one who decides what happens next. Whatever an operation asks of the simulated machine (a call on files, a turn of
 * the event loop, the end of a sleep) waits here; one call at a time takes effect and is answered, then everything that
 * follows from it without another call runs, then the next is chosen. A schedule is the list of these choices.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInThisContext } from 'node:vm'
import type { Actor, Call } from './actor.ts'
import { Failure } from './kernel/failure.ts'
import type { Policy } from './policy.ts'

const ignore = (): void => {}

/** Runs all continuations that are ready. Only V8 itself can, outside of any promise reaction. */
const runReactions = ((): (() => void) => {
  setFlagsFromString('--allow-natives-syntax')
  const run = runInThisContext('() => { %PerformMicrotaskCheckpoint() }') as () => void
  // Compiled at the first call only.
  run()
  setFlagsFromString('--no-allow-natives-syntax')
  return run
})()

/** Who runs now; follows every continuation. */
const current = new AsyncLocalStorage<Actor>()

export function currentActor(): Actor {
  const actor = current.getStore()
  if (actor === undefined) throw new Error('the simulated machine was used outside of an operation')
  return actor
}

export class Scheduler {
  /** Monotonic time. */
  nowMs = 0
  /** Wall time less monotonic time. */
  wallOffsetMs = Date.UTC(2026, 0, 1)
  stepCount = 0
  readonly actors: Actor[] = []
  /** Whether the answer of a call that took effect comes as a step of its own. */
  isSlow: ((call: Call) => boolean) | null = null
  /** Called after each step. */
  onStep: ((call: Call, error: unknown) => void) | null = null
  /** Asked before a call takes effect; throws what the call is to fail with, or says that it finds nothing. */
  fault: ((call: Call) => 'empty' | null) | null = null
  /** Whose call takes effect now. */
  acting: Actor | null = null
  /** Step after which that call was asked for. */
  askedAtStep = 0
  readonly #policy: Policy
  readonly #stepMs: number
  /** Used again for each step. */
  readonly #ready: Actor[] = []

  constructor(policy: Policy, stepMs: number) {
    this.#policy = policy
    this.#stepMs = stepMs
  }

  /** Begins `work` as a new operation of `process`; its first step has to be chosen as every other. */
  start(
    begun: { readonly id: number; readonly name: string; readonly process: object },
    work: () => Promise<void>,
    onEnd: (error: unknown) => void,
  ): Actor {
    const actor: Actor = { ...begun, waiting: [], callCount: 0, isDone: false, isKilled: false }
    this.actors.push(actor)
    const end = (error?: unknown): void => {
      actor.isDone = true
      onEnd(error)
    }
    current.run(actor, () => {
      this.call('begin', begun.name, () => undefined)
        .then(work)
        .then(() => end(), end)
    })
    return actor
  }

  /**
   * A call that nobody else can see or hinder, such as one on a file that has no name yet: it takes effect in the step
   * that asks for it, since any later moment would be the same. It counts, and can fail, as the others do.
   */
  callQuietly<Result>(name: string, detail: string, run: () => Result | Failure): Promise<Result> {
    const actor = currentActor()
    actor.callCount += 1
    if (actor.isKilled) return NEVER
    const { acting, askedAtStep } = this
    this.acting = actor
    try {
      const fault = this.fault === null ? null : this.fault(this.#asked(actor, name, detail, run))
      const result = fault === 'empty' ? ([] as Result) : run()
      return result instanceof Failure ? Promise.reject(result.error) : Promise.resolve(result)
    } catch (error) {
      return Promise.reject(error)
    } finally {
      this.acting = acting
      this.askedAtStep = askedAtStep
    }
  }

  #asked(actor: Actor, name: string, detail: string, run: () => unknown): Call {
    const { nowMs: dueMs, stepCount: askedAtStep } = this
    return { actor, name, detail, dueMs, askedAtStep, run, resolve: ignore, reject: ignore }
  }

  /** One step of the operation that runs now. */
  call<Result>(
    name: string,
    detail: string,
    run: () => Result | Failure,
    delayMs = 0,
  ): Promise<Result> {
    const actor = currentActor()
    const answer = new Promise<Result>(takeResolvers)
    actor.waiting.push({
      actor,
      name,
      detail,
      dueMs: this.nowMs + delayMs,
      askedAtStep: this.stepCount,
      run,
      resolve: taken.resolve,
      reject: taken.reject,
    })
    return answer
  }

  /** A step that ends with `delayMs` or with the signal, whichever comes first. */
  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const actor = currentActor()
    const slept = this.call('sleep', `${delayMs} ms`, () => undefined, delayMs)
    if (signal === undefined) return await slept
    const call = actor.waiting.at(-1) as Call
    const wake = (): void => {
      const index = actor.waiting.indexOf(call)
      if (index < 0) return
      actor.waiting.splice(index, 1)
      call.reject(signal.reason)
    }
    signal.addEventListener('abort', wake, { once: true })
    try {
      await slept
    } finally {
      signal.removeEventListener('abort', wake)
    }
  }

  /** Takes one step; false if nothing waits any more. */
  step(): boolean {
    const actor = this.#chooseActor()
    if (actor === null) return false
    const call = this.#policy.chooseCall(actor, this.nowMs)
    takeOut(actor.waiting, call)
    actor.callCount += 1
    this.stepCount += 1
    this.nowMs += this.#stepMs
    let error: unknown
    this.acting = actor
    this.askedAtStep = call.askedAtStep
    try {
      const result = this.fault?.(call) === 'empty' ? [] : call.run()
      if (result instanceof Failure) call.reject((error = result.error))
      else if (this.isSlow?.(call) === true) actor.waiting.push(answerTo(call, result))
      else call.resolve(result)
    } catch (thrown) {
      error = thrown
      call.reject(thrown)
    }
    this.acting = null
    runReactions()
    this.onStep?.(call, error)
    return true
  }

  /** Runs the continuations of what was done beside the steps. */
  settle(): void {
    runReactions()
  }

  /** The operations of `process` run no more. Of its calls on their way, `reaches` says which still take effect. */
  endProcess(process: object, reaches: () => boolean): void {
    for (const actor of this.actors) {
      // One that ended may have left something running behind it.
      if (actor.process !== process || (actor.isDone && actor.waiting.length === 0)) continue
      actor.isDone = actor.isKilled = true
      for (const call of actor.waiting.splice(0)) {
        try {
          if (call.name !== 'begin' && reaches()) call.run()
        } catch {
          // Nobody hears of it.
        }
      }
    }
  }

  #chooseActor(): Actor | null {
    for (;;) {
      const ready = this.#ready
      // Setting its length would be a call of the runtime.
      while (ready.length > 0) ready.pop()
      for (const actor of this.actors) if (isReady(actor, this.nowMs)) ready.push(actor)
      if (ready.length > 0) return this.#policy.chooseActor(ready)
      const next = this.#nextDueMs()
      if (next === null) return null
      this.nowMs = next
    }
  }

  #nextDueMs(): number | null {
    let next: number | null = null
    for (const actor of this.actors) {
      for (const { dueMs } of actor.waiting) if (next === null || dueMs < next) next = dueMs
    }
    return next
  }
}

/** Took effect, and is not known yet to who called. */
function answerTo(call: Call, result: unknown): Call {
  return { ...call, name: 'answer', detail: `${call.name} ${call.detail}`, run: () => result }
}

/** Of the promise that was made last. */
const taken = {
  resolve: ignore as (value: unknown) => void,
  reject: ignore as (error: unknown) => void,
}

/** One function for all promises: a new one for each would be made at every step. */
function takeResolvers(resolve: (value: never) => void, reject: (error: unknown) => void): void {
  taken.resolve = resolve as (value: unknown) => void
  taken.reject = reject
}

const NEVER = new Promise<never>(() => {})

function takeOut(waiting: Call[], call: Call): void {
  if (waiting.length === 1) waiting.pop()
  else waiting.splice(waiting.indexOf(call), 1)
}

function isReady({ waiting }: Actor, nowMs: number): boolean {
  for (let index = 0; index < waiting.length; index += 1) {
    if ((waiting[index] as Call).dueMs <= nowMs) return true
  }
  return false
}
