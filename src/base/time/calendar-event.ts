/**
 * Calendar events: `mon..fri 02:30`, `*-*-1`, `hourly` (datastore-semantics.md 14.5).
 *
 * An event is one set of allowed values for each unit of time. The next one is found by raising the largest unit that
 * does not fit and starting the smaller ones anew, in wall time of the machine's zone or of UTC.
 */

export interface CalendarEvent {
  /** 0 is Monday. */
  readonly weekdays: ReadonlySet<number>
  readonly years: ReadonlySet<number>
  /** 1 … 12. */
  readonly months: ReadonlySet<number>
  readonly days: ReadonlySet<number>
  readonly hours: ReadonlySet<number>
  readonly minutes: ReadonlySet<number>
  readonly seconds: ReadonlySet<number>
  readonly isUtc: boolean
}

const KEYWORDS: Readonly<Record<string, string>> = {
  minutely: '*:*',
  hourly: '*:00',
  daily: '00:00',
  weekly: 'mon 00:00',
  monthly: '*-1 00:00',
  quarterly: '1,4,7,10-1 00:00',
  semiannually: '1,7-1 00:00',
  'semi-annually': '1,7-1 00:00',
  yearly: '1-1 00:00',
  annually: '1-1 00:00',
}

const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday']
const SHORT_NAME_LENGTH = 3
const COMPONENT = /^(?:(\*)|(\d{1,4})(?:\.\.(\d{1,4}))?)(?:\/(\d{1,4}))?$/
const YEAR_RANGE = [1970, 2199] as const
/** Leap days need the most: eight years around a year that is none. */
const ROUNDS_MAX = 1_000

/** Null if `text` is no calendar event. */
export function parseCalendarEvent(text: string): CalendarEvent | null {
  const trimmed = text.trim().toLowerCase()
  const parts = (KEYWORDS[trimmed] ?? trimmed).split(/\s+/).filter((part) => part !== '')
  const isUtc = parts.at(-1) === 'utc'
  if (isUtc) parts.pop()
  if (parts.length === 0) return null
  const weekdays = /^[a-z]/.test(parts[0] ?? '') ? parseWeekdays(parts.shift() ?? '') : range(0, 6)
  const date = parseDate(parts[0]?.includes('-') === true ? parts.shift() : undefined)
  const time = parseTime(parts.shift())
  if (weekdays === null || date === null || time === null || parts.length > 0) return null
  return Object.freeze({ weekdays, ...date, ...time, isUtc })
}

/** The first moment after `afterSeconds` (Unix seconds) that the event names; null if there is none before 2200. */
export function nextEvent(event: CalendarEvent, afterSeconds: number): number | null {
  let time = wallTime(afterSeconds + 1, event.isUtc)
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const raised = raise(event, time)
    if (raised === null) {
      const found = unixSeconds(time, event.isUtc)
      // A wall time that comes twice, when clocks are set back.
      if (found > afterSeconds) return found
      time = normalise({ ...time, second: time.second + 1 })
      continue
    }
    if (raised.year > YEAR_RANGE[1]) return null
    time = raised
  }
  return null
}

interface WallTime {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
}

/** The next candidate if a unit does not fit, the largest first; null if all fit. */
function raise(event: CalendarEvent, time: WallTime): WallTime | null {
  const { year, month, day, hour, minute } = time
  const midnight = { hour: 0, minute: 0, second: 0 }
  if (!event.years.has(year)) return { year: year + 1, month: 1, day: 1, ...midnight }
  if (!event.months.has(month)) return normalise({ year, month: month + 1, day: 1, ...midnight })
  const isDay = event.days.has(day) && event.weekdays.has(weekdayOf(time))
  if (!isDay) return normalise({ year, month, day: day + 1, ...midnight })
  if (!event.hours.has(hour)) return normalise({ ...time, hour: hour + 1, minute: 0, second: 0 })
  if (!event.minutes.has(minute)) return normalise({ ...time, minute: minute + 1, second: 0 })
  return event.seconds.has(time.second) ? null : normalise({ ...time, second: time.second + 1 })
}

function parseWeekdays(text: string): ReadonlySet<number> | null {
  const days = new Set<number>()
  for (const item of text.split(',')) {
    const [first, last, ...rest] = item.split('..').map(weekdayNamed)
    if (first === undefined || first === null || last === null || rest.length > 0) return null
    const count = ((last ?? first) - first + WEEKDAYS.length) % WEEKDAYS.length
    for (let step = 0; step <= count; step += 1) days.add((first + step) % WEEKDAYS.length)
  }
  return days
}

function weekdayNamed(name: string): number | null {
  const index = WEEKDAYS.findIndex(
    (day) => day === name || day.slice(0, SHORT_NAME_LENGTH) === name,
  )
  return index < 0 ? null : index
}

function parseDate(
  text: string | undefined,
): Pick<CalendarEvent, 'years' | 'months' | 'days'> | null {
  const parts = text === undefined ? ['*', '*', '*'] : text.split('-')
  if (parts.length === 2) parts.unshift('*')
  const [year = '', month = '', day = '', ...rest] = parts
  const years = parseList(year, ...YEAR_RANGE)
  const months = parseList(month, 1, 12)
  const days = parseList(day, 1, 31)
  if (years === null || months === null || days === null || rest.length > 0) return null
  return { years, months, days }
}

function parseTime(
  text: string | undefined,
): Pick<CalendarEvent, 'hours' | 'minutes' | 'seconds'> | null {
  const parts = text === undefined ? ['0', '0'] : text.split(':')
  if (parts.length === 1) parts.unshift('*')
  const [hour = '', minute = '', second = '0', ...rest] = parts
  const hours = parseList(hour, 0, 23)
  const minutes = parseList(minute, 0, 59)
  const seconds = parseList(second, 0, 59)
  if (hours === null || minutes === null || seconds === null || rest.length > 0) return null
  return { hours, minutes, seconds }
}

function parseList(text: string, min: number, max: number): ReadonlySet<number> | null {
  const values = new Set<number>()
  for (const item of text.split(',')) {
    const match = COMPONENT.exec(item)
    if (match === null) return null
    const [, any, first, last, stepText] = match
    const step = Number(stepText ?? 1)
    const from = any === undefined ? Number(first) : min
    // A single value with a step goes on to the end.
    const single = stepText === undefined ? from : max
    const to = any === undefined ? Number(last ?? single) : max
    if (step < 1 || from < min || to > max || from > to) return null
    for (let value = from; value <= to; value += step) values.add(value)
  }
  return values
}

function range(from: number, to: number): ReadonlySet<number> {
  return new Set(Array.from({ length: to - from + 1 }, (_, index) => from + index))
}

function wallTime(unix: number, isUtc: boolean): WallTime {
  const date = new Date(unix * 1000)
  // As if local time were UTC.
  const shifted = isUtc ? date : new Date(date.getTime() - date.getTimezoneOffset() * 60_000)
  return fieldsOf(shifted)
}

function normalise(time: WallTime): WallTime {
  return fieldsOf(asUtc(time))
}

function weekdayOf(time: WallTime): number {
  return (asUtc(time).getUTCDay() + 6) % WEEKDAYS.length
}

function unixSeconds(time: WallTime, isUtc: boolean): number {
  const { year, month, day, hour, minute, second } = time
  const date = isUtc ? asUtc(time) : new Date(year, month - 1, day, hour, minute, second)
  return Math.floor(date.getTime() / 1000)
}

function asUtc({ year, month, day, hour, minute, second }: WallTime): Date {
  return new Date(Date.UTC(year, month - 1, day, hour, minute, second))
}

function fieldsOf(date: Date): WallTime {
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
  }
}
