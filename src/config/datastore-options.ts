/**
 * What the options of a datastore may hold: a stock server refuses the whole of `datastore.cfg` for one value that it
 * cannot read, so none is stored, whoever asks. Source: rest-api.md 1.4, 4.9.
 */
import { toError } from '../base/errors.ts'
import { parseBytes } from '../base/human-units.ts'
import { calendarEventProblem } from '../protocol/calendar-event.ts'
import { USERID_PATTERN } from '../protocol/common.ts'
import { errors } from '../protocol/errors.ts'
import { parsePropertyString } from './property-string.ts'
import { checkTuning, TUNING_KEYS } from './tuning.ts'

export const MAINTENANCE_TYPES = [
  'read-only',
  'offline',
  'delete',
  'unmount',
  's3-refresh',
] as const

const MAINTENANCE_MESSAGE_MAX = 64
const NOTIFY_KEYS = ['gc', 'prune', 'sync', 'verify']
const NOTIFY_CHOICES = ['never', 'always', 'error']
const NOTIFICATION_MODES = ['legacy-sendmail', 'notification-system']
const THRESHOLD_KEYS = ['delete', 'download', 'get', 'head', 'post', 'put', 'upload'].map(
  (name) => `s3-${name}`,
)
const USERID = new RegExp(USERID_PATTERN, 'u')

type Check = (key: string, text: string) => void

const CHECKS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['tuning', checkTuningOption],
  ['notify', checkNotify],
  ['notification-mode', (_key, text) => checkVariant(text, NOTIFICATION_MODES)],
  ['notification-thresholds', checkThresholds],
  ['maintenance-mode', checkMaintenance],
  ['gc-schedule', checkSchedule],
  ['counter-reset-schedule', checkSchedule],
  ['notify-user', checkUser],
])

/** Checks new values by stored key. Errors: PARAMETERS_INVALID, PARAMETERS_UNREADABLE, TUNING_INVALID. */
export function checkDatastoreOptions(options: Iterable<readonly [key: string, text: string]>) {
  for (const [key, text] of options) CHECKS.get(key)?.(key, text)
}

function checkTuningOption(key: string, text: string): void {
  checkKeys(key, text, TUNING_KEYS)
  checkTuning(text)
}

function checkNotify(key: string, text: string): void {
  for (const value of checkKeys(key, text, NOTIFY_KEYS).values()) {
    checkVariant(value, NOTIFY_CHOICES)
  }
}

function checkThresholds(key: string, text: string): void {
  for (const [name, value] of checkKeys(key, text, THRESHOLD_KEYS)) {
    if (parseBytes(value) === null) {
      throw invalid(key, `'${name}': byte-size parse error for '${value}'`)
    }
  }
}

function checkMaintenance(key: string, text: string): void {
  const properties = checkKeys(key, text, ['type', 'message'], 'type')
  if ((properties.get('message') ?? '').length > MAINTENANCE_MESSAGE_MAX) {
    const reason = `value may only be ${MAINTENANCE_MESSAGE_MAX} characters long`
    throw invalid(key, invalid('message', reason).message)
  }
  checkVariant(properties.get('type') ?? '', MAINTENANCE_TYPES)
}

function checkSchedule(key: string, text: string): void {
  const problem = calendarEventProblem(text)
  if (problem !== null) throw invalid(key, problem)
}

function checkUser(key: string, text: string): void {
  if (!USERID.test(text)) throw invalid(key, 'value does not match the regex pattern')
}

function checkVariant(text: string, choices: readonly string[]): void {
  if (choices.includes(text)) return
  const quoted = choices.map((choice) => `\`${choice}\``)
  const expected = quoted.length === 2 ? quoted.join(' or ') : `one of ${quoted.join(', ')}`
  throw errors.PARAMETERS_UNREADABLE({ text: `unknown variant \`${text}\`, expected ${expected}` })
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
    throw invalid(name, toError(error).message)
  }
  const problems = [...properties.keys()]
    .filter((key) => !known.includes(key))
    .map((key) => ({ name: key, text: 'schema does not allow additional properties' }))
  if (problems.length === 0) return properties
  throw invalid(name, errors.PARAMETERS_INVALID({ problems }).message)
}

function invalid(name: string, text: string): Error {
  return errors.PARAMETERS_INVALID({ problems: [{ name, text }] })
}
