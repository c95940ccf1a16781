/**
 * Calls whose answer no other operation can change between asking and answering: a schedule in which they wait for their
 * turn is the same as one in which they do not. They take effect with the step that asks for them.
 */
import { Failure } from './failure.ts'
import type { Machine } from './machine.ts'
import { factsOf } from './path-facts.ts'

/** Of `stat`, `lstat` and `realPath`. */
export function isFixed(machine: Machine, path: string): boolean {
  return factsOf(path).isFixed || isLasting(machine, path)
}

/** A folder for locks or for what we remember that is there. Also of `mkdir`, which finds it then. */
export function isLasting(machine: Machine, path: string): boolean {
  if (!factsOf(path).isForGood) return false
  const place = machine.look(path)
  return !(place instanceof Failure) && place.inode?.kind === 'folder'
}

/** Of `readDir`. */
export function isNeverMade(path: string): boolean {
  return factsOf(path).isNeverMade
}

/** Of `read` and `stat` by a descriptor. */
export function isUnchanging(path: string): boolean {
  return factsOf(path).isUnchanging
}
