/** The form of calendar events, so that no schedule is stored that a stock server could not read. */
import { parseCalendarEvent } from '../base/time/calendar-event.ts'

/** The problem of `text` as a calendar event in stock's form, or null. */
export function calendarEventProblem(text: string): string | null {
  if (parseCalendarEvent(text) !== null) return null
  return `unable to parse calendar event at '${shownPart(text)}' - Context("weekday")`
}

/** Stock shows the first word (a schedule `every full moon`: `every`). */
function shownPart(text: string): string {
  return text.split(' ')[0] ?? ''
}
