/**
 * Named formats of strings that a pattern cannot say. A schema names one with `format`; the
 * check answers the text that stock sends for a bad value, or null.
 */
import { isIP } from 'node:net'
import { parseBytes } from '../base/human-units.ts'
import { calendarEventProblem } from './calendar-event.ts'

const checks = new Map<string, (value: string) => string | null>([
  ['calendar-event', calendarEventProblem],
  ['byte-size', byteSizeProblem],
  ['s3-endpoint', s3EndpointProblem],
])

/** The templates of an endpoint; what is left must be a host. */
const TEMPLATES = /^\{\{bucket\}\}\.|\{\{region\}\}/g
const HOST =
  /^(?:[a-zA-Z0-9_](?:[a-zA-Z0-9_-]*[a-zA-Z0-9_])?)(?:\.[a-zA-Z0-9_](?:[a-zA-Z0-9_-]*[a-zA-Z0-9_])?)*\.?$/

/** The problem of `value` under the format `name`; null if it is fine or the format says nothing. */
export function checkFormat(name: string | undefined, value: string): string | null {
  if (name === undefined) return null
  return checks.get(name)?.(value) ?? null
}

function byteSizeProblem(value: string): string | null {
  if (parseBytes(value) !== null) return null
  const reason = value.trim().startsWith('-')
    ? 'byte size may not be negative'
    : 'expected a number and a unit'
  return `byte-size parse error for '${value}': ${reason}`
}

/** A host name or address; labels may hold `{{region}}`, the first may be `{{bucket}}`. */
function s3EndpointProblem(value: string): string | null {
  const host = value.replaceAll(TEMPLATES, (template) => (template.endsWith('.') ? '' : 'r'))
  const isHost = isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0 || HOST.test(host)
  return isHost ? null : 'value does not match the regex pattern'
}
