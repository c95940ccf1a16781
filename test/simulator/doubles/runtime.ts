/** What the doubles of Node's modules need of the schedule that runs now. */
import { currentActor, type Scheduler } from '../scheduler.ts'
import { memoized } from './memo.ts'

/** A simulated process as module-level state of the code under test sees it. */
export interface ProcessLocals {
  readonly locals: Map<string, unknown>
}

let scheduler: Scheduler | null = null
let drawn = 0

/** To be called before each schedule. */
export function useScheduler(next: Scheduler): void {
  scheduler = next
  drawn = 0
}

export function currentScheduler(): Scheduler {
  if (scheduler === null) throw new Error('no schedule runs')
  return scheduler
}

/** Counts up: names made of it never repeat within a schedule. */
export function drawNumber(): number {
  drawn += 1
  return drawn
}

/** What `make` gives, once per simulated process. */
export function processLocal<Value>(name: string, make: () => Value): Value {
  const { locals } = currentActor().process as ProcessLocals
  if (!locals.has(name)) locals.set(name, make())
  return locals.get(name) as Value
}

/** Stands for a module-level `Map`: each simulated process has its own. */
export function processMap<Key, Value>(name: string) {
  const map = (): Map<Key, Value> => processLocal(name, () => new Map<Key, Value>())
  return {
    get: (key: Key) => map().get(key),
    has: (key: Key) => map().has(key),
    set: (key: Key, value: Value) => map().set(key, value),
    delete: (key: Key) => map().delete(key),
    values: () => map().values(),
    get size() {
      return map().size
    },
    [Symbol.iterator]: () => map()[Symbol.iterator](),
  }
}

/** Stands for a module-level `Set`. */
export function processSet<Value>(name: string) {
  const set = (): Set<Value> => processLocal(name, () => new Set<Value>())
  return {
    has: (value: Value) => set().has(value),
    add: (value: Value) => set().add(value),
    delete: (value: Value) => set().delete(value),
  }
}

const shared = { processMap, processSet, processLocal, memoized }
Object.assign(globalThis, { cairnSimulator: shared })
