/**
 * Calls whose answer no other operation can change between asking and answering: a schedule in which they wait for their
 * turn is the same as one in which they do not. They take effect with the step that asks for them.
 */
import { STORE_FOLDER, STORE_LINK } from '../places.ts'
import type { Inode } from './disk.ts'
import type { Machine } from './machine.ts'

/** Nobody removes, replaces or mounts over these; what is asked of them is whether and which they are. */
const FIXED = new Set([
  '/.chunks',
  '/data',
  '/data/.chunks',
  '/run/locks',
  ...[STORE_FOLDER, STORE_LINK].flatMap((store) => [store, `${store}/.lock`, `${store}/.chunks`]),
])
/** No world has groups of these types, or namespaces within namespaces. */
const NEVER_MADE = /^\/data\/(?:store|alias)\/(?:ns\/[^/]+\/)?(?:vm|ct)$|\/ns\/[^/]+\/ns$/
const INDEX = /\.[fd]idx$/

/** Of `stat`, `lstat` and `realPath`. */
export function isFixed(machine: Machine, path: string): boolean {
  return FIXED.has(path) || isLasting(machine, path)
}

/** A folder for locks or for what we remember: once made it stays. Also of `mkdir`, which finds it then. */
export function isLasting(machine: Machine, path: string): boolean {
  if (!path.startsWith('/run/locks/') && !path.startsWith('/data/state')) return false
  return existing(machine, path)?.kind === 'folder'
}

/** Of `readDir`. */
export function isNeverMade(path: string): boolean {
  return NEVER_MADE.test(path)
}

/** Of `read` and `stat` by a descriptor: an index has its name once it is whole, a lock file is asked which it is. */
export function isUnchanging(path: string): boolean {
  return INDEX.test(path) || path.endsWith('.lock') || path.startsWith('/run/locks/')
}

function existing(machine: Machine, path: string): Inode | undefined {
  try {
    return machine.find(path).inode
  } catch {
    return undefined
  }
}
