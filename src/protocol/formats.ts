/**
 * Named formats of strings that a pattern cannot say. A schema names one with `format`; the
 * check answers the text that stock sends for a bad value, or null.
 */
import { calendarEventProblem } from './calendar-event.ts'

const checks = new Map<string, (value: string) => string | null>([
  ['calendar-event', calendarEventProblem],
])

/** The problem of `value` under the format `name`; null if it is fine or the format says nothing. */
export function checkFormat(name: string | undefined, value: string): string | null {
  if (name === undefined) return null
  return checks.get(name)?.(value) ?? null
}
