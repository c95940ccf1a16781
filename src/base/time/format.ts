/** RFC 3339 texts and the stamp of task log lines. */

const RFC3339_UTC = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/

/** `2026-11-21T10:00:00Z` for Unix seconds; throws RangeError outside the years 0 to 9999. */
export function formatRfc3339(unixSeconds: number): string {
  const text = new Date(unixSeconds * 1000).toISOString()
  if (text.length !== '2026-11-21T10:00:00.000Z'.length) {
    throw new RangeError(`time ${unixSeconds} has no four-digit year`)
  }
  return `${text.slice(0, 19)}Z`
}

/** Unix seconds of `YYYY-MM-DDTHH:MM:SSZ`, or null if it is not an existing time in exactly this form. */
export function parseRfc3339Utc(text: string): number | null {
  if (!RFC3339_UTC.test(text)) return null
  const milliseconds = Date.parse(text)
  if (Number.isNaN(milliseconds)) return null
  const unixSeconds = milliseconds / 1000
  return formatRfc3339(unixSeconds) === text ? unixSeconds : null
}

/**
 * `2026-11-21T11:00:00+01:00`: RFC 3339 in local time, as in task logs. `offsetMinutes` is what
 * local time is ahead of UTC; by default the machine's time zone at that moment.
 */
export function formatLogStamp(
  unixSeconds: number,
  offsetMinutes: number = -new Date(unixSeconds * 1000).getTimezoneOffset(),
): string {
  const local = formatRfc3339(unixSeconds + offsetMinutes * 60).slice(0, -1)
  const distance = Math.abs(offsetMinutes)
  const hours = String(Math.floor(distance / 60)).padStart(2, '0')
  const minutes = String(distance % 60).padStart(2, '0')
  return `${local}${offsetMinutes < 0 ? '-' : '+'}${hours}:${minutes}`
}
