/**
 * The way to the bucket. A request is executed in one step, at once or after a while, and answered in that or in a later
 * one; or its answer is
 * lost, or it is lost, or it was given up and is executed long after, at any time of its life, whatever became of
 * whoever sent it (races.md R-60).
 */
import { REQUEST_LIFE_MS } from '../../../src/storage/ledger.ts'
import type { Actor, Call } from '../actor.ts'
import { Random } from '../random.ts'
import { currentActor, type Scheduler } from '../scheduler.ts'

/** What becomes of an attempt, by weight. */
export const WEATHERS = {
  good: { answered: 30, slow: 8, held: 4, lost: 0, gone: 0, late: 0, busy: 0, refused: 0 },
  slow: { answered: 12, slow: 20, held: 6, lost: 0, gone: 0, late: 0, busy: 0, refused: 0 },
  mixed: { answered: 30, slow: 8, held: 4, lost: 2, gone: 1, late: 3, busy: 1, refused: 0 },
  bad: { answered: 12, slow: 6, held: 3, lost: 4, gone: 2, late: 6, busy: 2, refused: 1 },
} as const

export type Weather = keyof typeof WEATHERS

export interface Sender {
  readonly actor: Actor
  /** He gave it up, or is gone. */
  readonly isLate: boolean
}

export type Attempt<Result> =
  | { readonly kind: 'answered'; readonly result: Result }
  /** No answer came; the request may be executed yet. */
  | { readonly kind: 'silent' }
  /** A no that may pass: nothing was executed. */
  | { readonly kind: 'busy' }
  /** A no that will not. */
  | { readonly kind: 'refused' }

/** How long a request, or its answer, is on its way; meanwhile others go on, unless they are, too. */
const DELAYS_MS = [0, 200, 5_000, 60_000]
/** The name of its steps in printed schedules. */
export const REQUEST = 'request'
/** Actors that nobody started count down from here. */
const FIRST_LATE_ID = -1_000
/** Requests that belong to no process any more. */
const NETWORK = { id: 'network' }

export class SimNetwork {
  readonly #scheduler: Scheduler
  weather: Weather
  readonly #seed: number
  #lateId = FIRST_LATE_ID
  /** Executed late, in this schedule. */
  lateCount = 0
  /** Raised when the bucket is another one: what was sent before is lost. */
  era = 0
  /** Whose request is executed now; null between requests. */
  sender: Sender | null = null

  constructor(scheduler: Scheduler, options: { readonly weather: Weather; readonly seed: number }) {
    this.#scheduler = scheduler
    this.weather = options.weather
    this.#seed = options.seed
  }

  /** One attempt. `execute` takes effect at once; it may be run although nobody waits for it any more. */
  async attempt<Result>(what: string, execute: () => Result): Promise<Attempt<Result>> {
    const actor = currentActor()
    // By the operation's own steps: what others do must not change it when a schedule is shrunk.
    const random = new Random(this.#seed + actor.id * 65_537 + actor.callCount)
    const fate = random.weighted(WEATHERS[this.weather])
    const sentMs = this.#scheduler.nowMs
    const late = { execute, random, sentMs, actor }
    const delayMs = fate === 'slow' || fate === 'held' ? random.pick(DELAYS_MS) : 0
    const work = (): { readonly result: Result } | null => {
      // Its sender is being killed: it is on its way for as long as it lives.
      if (actor.isKilled && random.chance(0.5)) {
        this.#executeLate(what, late)
        return null
      }
      switch (fate) {
        case 'answered':
        case 'slow':
        case 'held':
        case 'lost':
          return { result: this.#execute(execute, { actor, isLate: false }) }
        case 'late':
          this.#executeLate(what, late)
          return null
        case 'gone':
        case 'busy':
        case 'refused':
          return null
        default:
          return fate satisfies never
      }
    }
    const name = `${what}${NOTES[fate]}`
    const outcome = await this.#scheduler.call(REQUEST, name, work, fate === 'held' ? delayMs : 0)
    if (fate === 'busy' || fate === 'refused') return { kind: fate }
    if (outcome === null || fate === 'lost') return { kind: 'silent' }
    if (fate === 'slow') await this.#scheduler.call('answer', what, () => undefined, delayMs)
    return { kind: 'answered', result: outcome.result }
  }

  #execute<Result>(execute: () => Result, sender: Sender): Result {
    this.sender = sender
    try {
      return execute()
    } finally {
      this.sender = null
    }
  }

  #executeLate(
    what: string,
    request: {
      readonly execute: () => unknown
      readonly random: Random
      readonly sentMs: number
      readonly actor: Actor
    },
  ): void {
    // What only reads, nobody waits for.
    if (!CHANGES.test(what)) return
    const { execute, random, sentMs } = request
    const { era } = this
    const { stepCount, nowMs } = this.#scheduler
    const diesMs = sentMs + REQUEST_LIFE_MS
    this.#lateId -= 1
    const actor: Actor = {
      id: this.#lateId,
      name: 'late request',
      process: NETWORK,
      waiting: [],
      callCount: 0,
      isDone: false,
      isKilled: false,
    }
    const call: Call = {
      actor,
      name: REQUEST,
      detail: what,
      dueMs: Math.min(diesMs, nowMs + random.pick([0, 0, random.below(REQUEST_LIFE_MS)])),
      askedAtStep: stepCount,
      run: () => {
        actor.isDone = true
        if (this.#scheduler.nowMs > diesMs || this.era !== era) return
        this.lateCount += 1
        this.#execute(execute, { actor: request.actor, isLate: true })
      },
      resolve: () => {},
      reject: () => {},
    }
    actor.waiting.push(call)
    this.#scheduler.actors.push(actor)
  }
}

const CHANGES = /^(?:PUT|COPY|DELETE)/

/** Behind the request, in printed schedules. */
const NOTES = {
  answered: '',
  slow: '',
  held: '',
  lost: ' (its answer is lost)',
  gone: ' (it is lost)',
  late: ' (given up, on its way)',
  busy: ' (busy)',
  refused: ' (refused)',
} as const
