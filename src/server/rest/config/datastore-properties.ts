/** Options of a datastore between the wire and `datastore.cfg` (rest-api §4.9, property strings §1.4). */
import { checkDatastoreOptions } from '../../../config/datastore-options.ts'
import { errors, refused } from '../../errors.ts'

type Options = Readonly<Record<string, string | number | boolean | undefined>>

/** Stored as words, shown as booleans. */
const BOOLEANS = new Set(['verify-new', 'gc-on-unmount'])
const PRUNE_OPTIONS = /^(?:prune-schedule|keep-.*)$/

/** What `options` stores, by key. Errors: as `checkDatastoreOptions`. */
export function storedOptions(options: Options): ReadonlyMap<string, string> {
  const stored = new Map<string, string>()
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue
    const text = typeof value === 'string' ? value : String(value)
    stored.set(key, key === 'comment' ? text.trim() : text)
  }
  checkDatastoreOptions(stored)
  return stored
}

/** Errors: pruning belongs to jobs, which are not built yet; on PUT stock's own refusal. */
export function refusePruneOptions(options: Options, call: 'create' | 'change'): void {
  const given = Object.keys(options).some((key) => PRUNE_OPTIONS.test(key))
  if (!given) return
  if (call === 'change') throw refused('datastore prune settings have been replaced by prune jobs')
  throw errors.NOT_BUILT_YET({ what: 'Pruning by schedule', status: 501 })
}

/** The stored text of `key` as REST shows it. */
export function shownOption(key: string, text: string): unknown {
  return BOOLEANS.has(key) ? ['1', 'on', 'yes', 'true'].includes(text.toLowerCase()) : text
}
