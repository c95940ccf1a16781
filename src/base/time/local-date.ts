/** Local times as people read them: `Fri May  1 00:00:00 2026`, the C locale's `%c`. */

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const
const MONTHS = [
  'Jan',
  'Feb',
  'Mar',
  'Apr',
  'May',
  'Jun',
  'Jul',
  'Aug',
  'Sep',
  'Oct',
  'Nov',
  'Dec',
] as const

/** `unixSeconds` in the machine's time zone. */
export function formatLocalDate(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000)
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':')
  const day = String(date.getDate()).padStart(2, ' ')
  return `${DAYS[date.getDay()]} ${MONTHS[date.getMonth()]} ${day} ${time} ${date.getFullYear()}`
}
