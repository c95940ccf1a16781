/** Names of the hour, day, ISO week, month and year that a time lies in, in local time (datastore-semantics.md 10.1). */

/** The name of the period in which a time (Unix seconds) lies. */
export type PeriodOf = (time: number) => string

export interface PeriodNames {
  /** `2026/01/31/23`: the repeated hour at the end of daylight saving time is one. */
  readonly hourly: PeriodOf
  readonly daily: PeriodOf
  /** ISO week year and week, `2026/05`. */
  readonly weekly: PeriodOf
  readonly monthly: PeriodOf
  readonly yearly: PeriodOf
}

interface LocalTime {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  readonly day: number
  readonly hour: number
}

const DAY_MS = 86_400_000

/** Periods in `zone`, an IANA name; in the machine's own zone without. Throws RangeError for an unknown one. */
export function periodNames(zone?: string): PeriodNames {
  const local = zone === undefined ? machineTime : timeIn(zone)
  const monthly: PeriodOf = (time) => monthName(local(time))
  const daily: PeriodOf = (time) => dayName(local(time))
  return {
    hourly: (time) => `${dayName(local(time))}/${padded(local(time).hour)}`,
    daily,
    weekly: (time) => weekName(local(time)),
    monthly,
    yearly: (time) => String(local(time).year),
  }
}

function machineTime(time: number): LocalTime {
  const date = new Date(time * 1000)
  return {
    year: date.getFullYear(),
    month: date.getMonth() + 1,
    day: date.getDate(),
    hour: date.getHours(),
  }
}

function timeIn(zone: string): (time: number) => LocalTime {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
  })
  return (time) => {
    const parts = format.formatToParts(time * 1000)
    const part = (type: 'year' | 'month' | 'day' | 'hour'): number =>
      Number(parts.find((each) => each.type === type)?.value)
    return { year: part('year'), month: part('month'), day: part('day'), hour: part('hour') }
  }
}

function monthName({ year, month }: LocalTime): string {
  return `${year}/${padded(month)}`
}

function dayName(local: LocalTime): string {
  return `${monthName(local)}/${padded(local.day)}`
}

/** A week belongs to the year that has its Thursday. */
function weekName({ year, month, day }: LocalTime): string {
  const midnight = new Date(Date.UTC(year, month - 1, day))
  const daysAfterMonday = (midnight.getUTCDay() + 6) % 7
  const thursday = new Date(midnight.getTime() + (3 - daysAfterMonday) * DAY_MS)
  const weekYear = thursday.getUTCFullYear()
  const dayOfYear = (thursday.getTime() - Date.UTC(weekYear, 0, 1)) / DAY_MS
  return `${weekYear}/${padded(Math.floor(dayOfYear / 7) + 1)}`
}

function padded(value: number): string {
  return String(value).padStart(2, '0')
}
