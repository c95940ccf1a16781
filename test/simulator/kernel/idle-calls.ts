/**
 * Calls whose answer no other operation can change between asking and answering: a schedule in which they wait for their
 * turn is the same as one in which they do not. They take effect with the step that asks for them.
 */
import { Failure } from './failure.ts'
import type { Machine } from './machine.ts'
import type { PathFacts } from './path-facts.ts'

/** Of `stat`, `lstat` and `realPath`. */
export function isFixed(machine: Machine, facts: PathFacts): boolean {
  return facts.isFixed || isLasting(machine, facts)
}

/** A folder for locks or for what we remember that is there. Also of `mkdir`, which finds it then. */
export function isLasting(machine: Machine, facts: PathFacts): boolean {
  if (!facts.isForGood) return false
  const place = machine.lookAt(facts)
  return !(place instanceof Failure) && place.inode?.kind === 'folder'
}
