/** What the text of a path says by itself, found once: schedules use the same few paths over and over. */
import { STORE_FOLDER, STORE_LINK } from '../places.ts'

export interface PathFacts {
  readonly path: string
  /** All before the last name. */
  readonly parent: string
  readonly name: string
  /** Nobody removes, replaces or mounts over it; what is asked of it is whether and which it is. */
  readonly isFixed: boolean
  /** A folder for locks or for what we remember: once made it stays. */
  readonly isForGood: boolean
  /** No world has groups of these types, or namespaces within namespaces. */
  readonly isNeverMade: boolean
  /** An index has its name once it is whole, a lock file is asked which it is. */
  readonly isUnchanging: boolean
  readonly isTemporary: boolean
}

const FIXED = new Set([
  '/.chunks',
  '/data',
  '/data/.chunks',
  '/run/locks',
  ...[STORE_FOLDER, STORE_LINK].flatMap((store) => [store, `${store}/.lock`, `${store}/.chunks`]),
])
const NEVER_MADE = /^\/data\/(?:store|alias)\/(?:ns\/[^/]+\/)?(?:vm|ct)$|\/ns\/[^/]+\/ns$/
const INDEX = /\.[fd]idx$/
const TEMPORARY = /\.tmp_[^/]*$/

/** Paths that are kept; all are forgotten when there are more. So few that the table stays in the processor's cache. */
const PATHS_MAX = 8_192
const known = new Map<string, PathFacts>()

export function factsOf(path: string): PathFacts {
  const found = known.get(path)
  if (found !== undefined) return found
  if (known.size >= PATHS_MAX) known.clear()
  const facts = readFacts(path)
  known.set(facts.path, facts)
  return facts
}

function readFacts(path: string): PathFacts {
  const slash = path.lastIndexOf('/')
  return {
    path: keyOf(path),
    parent: keyOf(path.slice(0, slash)),
    name: keyOf(path.slice(slash + 1)),
    isFixed: FIXED.has(path),
    isForGood: path.startsWith('/run/locks/') || path.startsWith('/data/state'),
    isNeverMade: NEVER_MADE.test(path),
    isUnchanging: INDEX.test(path) || path.endsWith('.lock') || path.startsWith('/run/locks/'),
    isTemporary: TEMPORARY.test(path),
  }
}

/** The same text as V8 keeps names of properties: whoever looks it up in a map need not look at its characters. */
function keyOf(text: string): string {
  return Object.keys({ [text]: null })[0] as string
}
