/** Sizes and durations as people read and type them (spec cli 1.3). */

const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** `size` with a binary unit and at most three decimals: `4 MiB`, `1.417 GiB`, `0 B`. */
export function formatBytes(size: number): string {
  let value = size
  let unit = 0
  while (value >= 1024 && unit < BINARY_UNITS.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${Math.round(value * 1000) / 1000} ${BINARY_UNITS[unit]}`
}

const SIZE = /^(\d+(?:\.\d*)?|\.\d+) ?(?:([kmgtpKMGTP])(i?))?[bB]?$/
const SIZE_EXPONENTS = 'kmgtp'

/** Bytes of a typed size: `64k` = 64000, `64 KiB` = 65536; null if it is none. */
export function parseBytes(text: string): number | null {
  const match = SIZE.exec(text.trim())
  if (match === null) return null
  const [, digits = '', letter = '', binary = ''] = match
  const exponent = letter === '' ? 0 : SIZE_EXPONENTS.indexOf(letter.toLowerCase()) + 1
  return Math.round(Number(digits) * (binary === 'i' ? 1024 : 1000) ** exponent)
}

/** `text` with a number of at most three decimals, a space and its unit: `10 MiB`, `6 MB`; null if it is no size. */
export function tidyBytes(text: string): string | null {
  const match = SIZE.exec(text.trim())
  if (match === null) return null
  const [, digits = '', letter = '', binary = ''] = match
  return `${Math.round(Number(digits) * 1000) / 1000} ${letter.toUpperCase()}${binary}B`
}

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const LONG_UNITS = [
  ['y', 365.25 * DAY],
  ['M', 30.44 * DAY],
  ['w', 7 * DAY],
  ['d', DAY],
  ['h', HOUR],
  ['m', MINUTE],
] as const

/** `seconds` in units, zero ones left out: `1h 2m 3.5s`, `12s`; less than a tenth alone is `<0.1s`. */
export function formatDuration(seconds: number): string {
  if (seconds < 0.1) return '<0.1s'
  const parts: string[] = []
  let rest = Math.round(seconds * 10) / 10
  for (const [unit, size] of LONG_UNITS) {
    const count = Math.floor(rest / size)
    if (count > 0) parts.push(`${count}${unit}`)
    rest -= count * size
  }
  const tenths = Math.round(rest * 10) / 10
  if (tenths >= 0.1) parts.push(`${tenths}s`)
  return parts.join(' ')
}
