/** Options of a datastore between the wire and `datastore.cfg` (rest-api §4.9, property strings §1.4). */
import { parseBytes } from '../../../base/human-units.ts'
import { parsePropertyString } from '../../../config/property-string.ts'
import { errors as protocolErrors } from '../../../protocol/errors.ts'
import { toError } from '../../../base/errors.ts'
import { errors, refused } from '../../errors.ts'
import { THRESHOLD_KEYS } from '../../s3/counter-book.ts'

type Options = Readonly<Record<string, string | number | boolean | undefined>>

const MAINTENANCE_TYPES = ['read-only', 'offline', 'delete', 'unmount', 's3-refresh'] as const
/** Our own keys last. */
const TUNING_KEYS = [
  'chunk-order',
  'default-verification-readers',
  'default-verification-workers',
  'gc-atime-cutoff',
  'gc-atime-safety-check',
  'gc-cache-capacity',
  'gc-grace',
  'gc-memory',
  'sync-level',
  'known-chunk-check',
  'known-chunk-wait',
  'verify-rate',
]
const NOTIFY_KEYS = ['gc', 'prune', 'sync', 'verify']
/** Stored as words, shown as booleans. */
const BOOLEANS = new Set(['verify-new', 'gc-on-unmount'])
const PRUNE_OPTIONS = /^(?:prune-schedule|keep-.*)$/

/** What `options` stores, by key. Errors: texts of ill-formed property strings. */
export function storedOptions(options: Options): ReadonlyMap<string, string> {
  const stored = new Map<string, string>()
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue
    const text = typeof value === 'string' ? value : String(value)
    checkOption(key, text)
    stored.set(key, key === 'comment' ? text.trim() : text)
  }
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

function checkOption(key: string, text: string): void {
  if (key === 'tuning') checkKeys(key, text, TUNING_KEYS)
  if (key === 'notify') checkKeys(key, text, NOTIFY_KEYS)
  if (key === 'notification-thresholds') checkThresholds(text)
  if (key === 'maintenance-mode') checkMaintenance(text)
}

function checkThresholds(text: string): void {
  const name = 'notification-thresholds'
  for (const [key, value] of checkKeys(name, text, THRESHOLD_KEYS)) {
    if (parseBytes(value) !== null) continue
    const problem = { name, text: `'${key}': byte-size parse error for '${value}'` }
    throw protocolErrors.PARAMETERS_INVALID({ problems: [problem] })
  }
}

function checkMaintenance(text: string): void {
  const properties = checkKeys('maintenance-mode', text, ['type', 'message'], 'type')
  const type = properties.get('type') ?? ''
  if (MAINTENANCE_TYPES.some((known) => known === type)) return
  const choices = MAINTENANCE_TYPES.map((known) => `\`${known}\``).join(', ')
  throw refused(`unknown variant \`${type}\`, expected one of ${choices}`)
}

function checkKeys(
  name: string,
  text: string,
  known: readonly string[],
  defaultKey?: string,
): ReadonlyMap<string, string> {
  let properties: ReadonlyMap<string, string>
  try {
    properties = parsePropertyString(text, defaultKey)
  } catch (error) {
    throw protocolErrors.PARAMETERS_INVALID({ problems: [{ name, text: toError(error).message }] })
  }
  const unknown = [...properties.keys()].filter((key) => !known.includes(key))
  if (unknown.length === 0) return properties
  const inner = unknown.map((key) => ({
    name: key,
    text: 'schema does not allow additional properties',
  }))
  const nested = protocolErrors.PARAMETERS_INVALID({ problems: inner }).message
  throw protocolErrors.PARAMETERS_INVALID({ problems: [{ name, text: nested }] })
}
