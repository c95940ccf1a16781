/** Makes a failing schedule short: fewer operations, an easier world, fewer changes from one operation to another. */
import { runSchedule } from './run-schedule.ts'
import type { Schedule } from './schedule.ts'
import type { Choice } from './policy.ts'

/** Schedules tried; each takes some milliseconds. */
const TRIES_MAX = 4_000

/** The shortest schedule found that breaks the same invariant. */
export function shrink(failing: Schedule): Schedule {
  const first = runSchedule(failing)
  const { violation } = first
  if (violation === null) throw new Error('the schedule does not fail')
  const search = new Search(violation.invariant, { ...failing, choices: first.choices })
  for (let size = Infinity; search.size < size && !search.isOver; ) {
    size = search.size
    search.dropOperations()
    search.easeWorld()
    search.dropChoices()
  }
  return search.best
}

class Search {
  best: Schedule
  readonly #invariant: string
  #tries = 0

  constructor(invariant: string, schedule: Schedule) {
    this.#invariant = invariant
    this.best = schedule
  }

  get isOver(): boolean {
    return this.#tries >= TRIES_MAX
  }

  /** What is made small: operations first, then changes of the one who runs, then steps. */
  get size(): number {
    const choices = this.best.choices ?? []
    return this.best.operations.length * 1e6 + runsOf(choices).length * 1e3 + choices.length
  }

  dropOperations(): void {
    for (let index = this.best.operations.length - 1; index >= 0; index -= 1) {
      this.#try({ operations: this.best.operations.filter((_, at) => at !== index) })
    }
  }

  easeWorld(): void {
    const { world } = this.best
    this.#try({ world: { ...world, garbage: [] } })
    for (let index = world.ready.length - 1; index >= 0; index -= 1) {
      const { world } = this.best
      this.#try({ world: { ...world, ready: world.ready.filter((_, at) => at !== index) } })
    }
    this.#try({ world: { ...this.best.world, timeStepMs: 1 } })
    this.#try({ world: { ...this.best.world, isSpaceMounted: false } })
    this.#try({ world: { ...this.best.world, stepMs: 1 } })
    for (let parallelMax = 1; parallelMax < this.best.parallelMax; parallelMax += 1) {
      if (this.#try({ parallelMax })) break
    }
  }

  /** Takes stretches of one operation out; whoever ran before goes on then. Long rows of them first. */
  dropChoices(): void {
    const count = runsOf(this.best.choices ?? []).length
    for (let length = Math.ceil(count / 2); length >= 1; length = Math.floor(length / 2)) {
      for (let start = 0; start < runsOf(this.best.choices ?? []).length; ) {
        const runs = runsOf(this.best.choices ?? [])
        const kept = [...runs.slice(0, start), ...runs.slice(start + length)]
        if (!this.#try({ choices: kept.flat() })) start += length
        if (this.isOver) return
      }
    }
  }

  #try(change: Partial<Schedule>): boolean {
    if (this.isOver) return false
    this.#tries += 1
    const candidate = { ...this.best, ...change }
    const { violation, choices } = runSchedule(candidate)
    if (violation?.invariant !== this.#invariant) return false
    const before = this.size
    const kept = this.best
    this.best = { ...candidate, choices }
    if (this.size < before || change.world !== undefined || change.parallelMax !== undefined)
      return true
    this.best = kept
    return false
  }
}

function runsOf(choices: readonly Choice[]): Choice[][] {
  const runs: Choice[][] = []
  for (const choice of choices) {
    const last = runs.at(-1)
    if (last?.[0]?.actor === choice.actor) last.push(choice)
    else runs.push([choice])
  }
  return runs
}
