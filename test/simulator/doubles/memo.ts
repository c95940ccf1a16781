/** Results of pure functions, kept: a simulated store has few contents, and the same ones in every schedule. */

/** Entries of one memo; it is emptied when it is full. */
const ENTRIES_MAX = 20_000

const memos = new Map<string, Map<unknown, unknown>>()

/** What `make` gives for `key`, made once; frozen all through, since it is shared. `make` must be pure. */
export function memoized<Value>(name: string, key: unknown, make: () => Value): Value {
  let known = memos.get(name)
  if (known === undefined || known.size >= ENTRIES_MAX) memos.set(name, (known = new Map()))
  let value = known.get(key) as Value | undefined
  if (value === undefined) known.set(key, (value = frozen(make())))
  return value
}

function frozen<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const part of Object.values(value)) frozen(part)
  return Object.freeze(value)
}
