/**
 * The form of calendar events (`mon..fri 02:30`, `*-*-1`, `hourly`), so that no schedule is stored
 * that a stock server could not read. When they are due is the business of jobs.
 */

const KEYWORDS = new Set([
  'minutely',
  'hourly',
  'daily',
  'weekly',
  'monthly',
  'yearly',
  'annually',
  'quarterly',
  'semiannually',
  'semi-annually',
])

const VALUE = '(?:\\*|\\d{1,4}(?:\\.\\.\\d{1,4})?)(?:/\\d{1,4})?'
const LIST = `${VALUE}(?:,${VALUE})*`
const DAY =
  '(?:mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)'
const DAYS = `${DAY}(?:\\.\\.${DAY})?(?:,${DAY}(?:\\.\\.${DAY})?)*`
const DATE = `(?:${LIST}-)?${LIST}-${LIST}`
const TIME = `${LIST}(?::${LIST}){0,2}`
const EVENT = new RegExp(`^(?:${DAYS}(?: |$))?(?:${DATE}(?: |$))?(?:${TIME})?$`, 'i')

/** The problem of `text` as a calendar event in stock's form, or null. */
export function calendarEventProblem(text: string): string | null {
  const event = text.trim()
  if (KEYWORDS.has(event.toLowerCase())) return null
  if (event !== '' && EVENT.test(event)) return null
  return `unable to parse calendar event at '${text}' - Context("weekday")`
}
