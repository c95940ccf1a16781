/**
 * How the next step is chosen. By chance alone one operation seldom overtakes another by fifty steps just when it
 * matters, so seeds differ in their ways: evenly by chance; staying with one operation for a while; by priorities that
 * change at a few moments, or from which one operation is held up at one of its calls. A recorded schedule is a policy, too.
 */
import type { Actor, Call } from './actor.ts'
import type { Random } from './random.ts'

export interface Policy {
  chooseActor(ready: readonly Actor[]): Actor
  chooseCall(actor: Actor, nowMs: number): Call
}

/** One step of a recorded schedule: whose call, and which of those that waited. */
export interface Choice {
  readonly actor: number
  readonly call: number
}

/** Where operations are to be held up: of their calls that have `area` in their names or places, at one of `calls`. */
export interface StallPlace {
  readonly area: string
  /** From 1 on. */
  readonly calls: readonly number[]
}

/** Once in its life an operation takes no step for a while, as by a slow disk. */
interface Stall {
  /** Part of the names or details of the calls that count towards `atCall`; null: all do. */
  readonly area: string | null
  /** From which call on. */
  readonly atCall: number
  /** Calls in the area that it was seen to wait for. */
  seenCount: number
  seenAtCall: number
  readonly stepCount: number
  /** Null before it began. */
  untilStep: number | null
}

/** What calls of races have in their names or places: chunks, lock files, snapshots, the disk itself. */
const AREAS = ['/.chunks/', '/.chunks/', '/run/locks/', '/host/', 'sync']
/** Calls in one of them, of an operation. */
const AREA_CALL_COUNT = 9

/** Bounds the number of steps after which a priority may change. */
const CHANGE_STEP_MAX = 600

export class RandomPolicy implements Policy {
  readonly choices: Choice[] = []
  readonly #random: Random
  readonly #kind: 'even' | 'sticky' | 'priorities' | 'stalls'
  /** When each operation is held up, and from which of its calls on. */
  readonly #stalls = new Map<number, Stall>()
  readonly #stallPlace: StallPlace | null
  readonly #stay: number
  readonly #priorities = new Map<number, number>()
  readonly #changes = new Set<number>()
  #last: Actor | null = null
  /** Used again for each choice. */
  readonly #free: Actor[] = []
  #lowest = 0

  constructor(random: Random, stallPlace: StallPlace | null = null) {
    this.#random = random
    this.#stallPlace = stallPlace
    const kind = random.weighted({ even: 2, sticky: 3, priorities: 3, stalls: 4 })
    this.#kind = stallPlace === null ? kind : 'stalls'
    this.#stay = random.pick([0.5, 0.8, 0.9, 0.96, 0.99])
    const changeCount = 1 + random.below(5)
    while (this.#changes.size < changeCount) this.#changes.add(random.below(CHANGE_STEP_MAX))
  }

  chooseActor(ready: readonly Actor[]): Actor {
    const actor = ready.length === 1 ? (ready[0] as Actor) : this.#choose(ready)
    if (this.#changes.has(this.choices.length)) {
      this.#lowest -= 1
      this.#priorities.set(actor.id, this.#lowest)
    }
    this.#last = actor
    return actor
  }

  chooseCall(actor: Actor, nowMs: number): Call {
    const { waiting } = actor
    let index = waiting.length === 1 ? 0 : this.#random.below(waiting.length)
    while ((waiting[index] as Call).dueMs > nowMs) index = (index + 1) % waiting.length
    this.choices.push({ actor: actor.id, call: index })
    return waiting[index] as Call
  }

  #choose(ready: readonly Actor[]): Actor {
    switch (this.#kind) {
      case 'even':
        return this.#random.pick(ready)
      case 'sticky':
        if (this.#last !== null && ready.includes(this.#last) && this.#random.chance(this.#stay)) {
          return this.#last
        }
        return this.#random.pick(ready)
      case 'priorities':
        return this.#first(ready)
      case 'stalls':
        return this.#first(this.#unstalled(ready))
      default:
        return this.#kind satisfies never
    }
  }

  /** Those that nothing holds up; all, if there are none. */
  #unstalled(ready: readonly Actor[]): readonly Actor[] {
    const free = this.#free
    while (free.length > 0) free.pop()
    for (const actor of ready) if (!this.#isHeldUp(actor)) free.push(actor)
    return free.length === 0 ? ready : free
  }

  #isHeldUp(actor: Actor): boolean {
    const stall = this.#stallOf(actor)
    if (!isReached(stall, actor)) return false
    const step = this.choices.length
    stall.untilStep ??= step + stall.stepCount
    return step < stall.untilStep
  }

  #stallOf(actor: Actor): Stall {
    const known = this.#stalls.get(actor.id)
    if (known !== undefined) return known
    const stall = drawStall(this.#random, this.#stallPlace)
    this.#stalls.set(actor.id, stall)
    return stall
  }

  #first(ready: readonly Actor[]): Actor {
    let best = ready[0] as Actor
    for (const actor of ready) {
      if (this.#priorityOf(actor) > this.#priorityOf(best)) best = actor
    }
    return best
  }

  #priorityOf(actor: Actor): number {
    const known = this.#priorities.get(actor.id)
    if (known !== undefined) return known
    const drawn = 1 + this.#random.below(1 << 20)
    this.#priorities.set(actor.id, drawn)
    return drawn
  }
}

/** Operations of a schedule, by how they are held up. */
const STALLS = { none: 3, any: 3, area: 4 }
const PLACED_STALLS = { none: 1, any: 0, area: 4 }

function drawStall(random: Random, place: StallPlace | null): Stall {
  const kind = random.weighted(place === null ? STALLS : PLACED_STALLS)
  const area = kind === 'area' ? (place?.area ?? random.pick(AREAS)) : null
  const isPlaced = area !== null && place !== null
  const callMax = area === null ? 90 : AREA_CALL_COUNT
  const atCall = isPlaced ? random.pick(place.calls) : 1 + random.below(callMax)
  return {
    area,
    atCall: kind === 'none' ? Infinity : atCall,
    seenCount: 0,
    seenAtCall: -1,
    stepCount: 2 + random.below(160),
    untilStep: null,
  }
}

/** Whether the operation has come to the call at which it is held up. */
function isReached(stall: Stall, actor: Actor): boolean {
  const { area } = stall
  if (area === null) return actor.callCount >= stall.atCall
  if (stall.seenAtCall !== actor.callCount) {
    stall.seenAtCall = actor.callCount
    if (waitsIn(area, actor)) stall.seenCount += 1
  }
  return stall.seenCount >= stall.atCall
}

function waitsIn(area: string, { waiting }: Actor): boolean {
  for (const { name, detail } of waiting) {
    if (name.includes(area) || detail.includes(area)) return true
  }
  return false
}

/**
 * Follows a recorded schedule as far as it fits: an operation that cannot run is passed over for the one that ran last,
 * else the oldest. So any part of a schedule is a schedule.
 */
export class RecordedPolicy implements Policy {
  /** What was really chosen. */
  readonly choices: Choice[] = []
  readonly #wanted: readonly Choice[]
  #position = 0
  #lastId = -1
  #callIndex = 0

  constructor(wanted: readonly Choice[]) {
    this.#wanted = wanted
  }

  chooseActor(ready: readonly Actor[]): Actor {
    const wanted = this.#wanted[this.#position]
    this.#position += 1
    const isThere = (id: number): Actor | undefined => ready.find((actor) => actor.id === id)
    const fitting = wanted === undefined ? undefined : isThere(wanted.actor)
    this.#callIndex = fitting === undefined ? 0 : (wanted?.call ?? 0)
    const actor = fitting ?? isThere(this.#lastId) ?? ready[0]
    if (actor === undefined) throw new Error('nobody is ready')
    this.#lastId = actor.id
    return actor
  }

  chooseCall(actor: Actor, nowMs: number): Call {
    const { waiting } = actor
    let index = this.#callIndex % waiting.length
    while ((waiting[index] as Call).dueMs > nowMs) index = (index + 1) % waiting.length
    this.choices.push({ actor: actor.id, call: index })
    return waiting[index] as Call
  }
}
