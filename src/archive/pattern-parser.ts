/**
 * Parses one glob of pxar.md 13.1 into tokens. Text is a byte string: one character per byte, so that
 * names which are not UTF-8 match byte by byte.
 */
import { errors } from './errors.ts'

export type PatternToken =
  | { readonly kind: 'byte'; readonly value: number }
  | { readonly kind: 'any' }
  /** Any run without `/`. */
  | { readonly kind: 'star' }
  /** Any run; `optionalSlash`: a slash follows in the pattern that may be left out with an empty run. */
  | { readonly kind: 'double-star'; readonly optionalSlash: boolean }
  /** One byte for which the table holds 1. */
  | { readonly kind: 'class'; readonly table: Uint8Array }

const SLASH = 0x2f
const BACKSLASH = 0x5c
const STAR = 0x2a
const QUESTION = 0x3f
const OPEN = 0x5b
const CLOSE = 0x5d
const CARET = 0x5e
const DASH = 0x2d
const COLON = 0x3a

/** The matcher goes a step deeper with each star; no pattern that means something has this many. */
const STAR_COUNT_MAX = 256

const NAMED_CLASSES: Readonly<Record<string, RegExp>> = {
  alnum: /[0-9A-Za-z]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  cntrl: /\p{Cc}/u,
  digit: /[0-9]/,
  graph: /[\x21-\x7e]/,
  lower: /[a-z]/,
  // Stock counts DEL as printable.
  print: /[\x20-\x7f]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t\n\f\r]/,
  upper: /[A-Z]/,
  xdigit: /[0-9A-Fa-f]/,
}

/** Tokens of `text`. Errors: PATTERN_INVALID with the texts of pxar.md 13.1. */
export function parseTokens(text: string): PatternToken[] {
  if (text.includes('\0')) throw invalid('NUL byte in pattern')
  const tokens: PatternToken[] = []
  let starCount = 0
  for (let at = 0; at < text.length; ) {
    const byte = text.charCodeAt(at)
    if (byte === BACKSLASH) {
      if (at + 1 >= text.length) throw invalid('trailing backslash in pattern')
      tokens.push({ kind: 'byte', value: text.charCodeAt(at + 1) })
      at += 2
    } else if (byte === STAR) {
      const end = endOfStars(text, at)
      if (++starCount > STAR_COUNT_MAX) throw invalid('too many stars in pattern')
      tokens.push(starToken(text, at, end))
      at = end
    } else if (byte === OPEN) {
      const parsed = parseClass(text, at)
      tokens.push({ kind: 'class', table: parsed.table })
      at = parsed.end
    } else {
      tokens.push(byte === QUESTION ? { kind: 'any' } : { kind: 'byte', value: byte })
      at++
    }
  }
  return tokens
}

function endOfStars(text: string, start: number): number {
  let end = start
  while (text.charCodeAt(end) === STAR) end++
  return end
}

function starToken(text: string, start: number, end: number): PatternToken {
  const isAfterSlash = start === 0 || text.charCodeAt(start - 1) === SLASH
  const isBeforeSlash = text.charCodeAt(end) === SLASH
  if (end - start < 2 || !isAfterSlash || !(isBeforeSlash || end === text.length)) {
    return { kind: 'star' }
  }
  return { kind: 'double-star', optionalSlash: isBeforeSlash }
}

/** Parses `[…]` at `start`. A dash is literal only first or right after a range or named class. */
function parseClass(text: string, start: number): { table: Uint8Array; end: number } {
  const table = new Uint8Array(256)
  let at = start + 1
  const isNegated = text.charCodeAt(at) === CARET
  if (isNegated) at++
  /** The single byte a dash would start a range from. */
  let rangeStart: number | null = null
  for (;;) {
    const byte = text.charCodeAt(at)
    if (Number.isNaN(byte)) throw unclosed(start)
    if (byte === CLOSE) break
    if (byte === OPEN && text.charCodeAt(at + 1) === COLON) {
      at = addNamedClass(text, at, table)
      rangeStart = null
    } else if (byte === DASH && rangeStart !== null) {
      const bound = classByte(text, at + 1, start)
      fillRange(table, rangeStart, bound.value)
      at = bound.end
      rangeStart = null
    } else {
      const single = classByte(text, at, start)
      table[single.value] = 1
      rangeStart = single.value
      at = single.end
    }
  }
  if (isNegated) for (let byte = 0; byte < 256; byte++) table[byte] = 1 - (table[byte] ?? 0)
  return { table, end: at + 1 }
}

function classByte(text: string, at: number, start: number): { value: number; end: number } {
  const isEscaped = text.charCodeAt(at) === BACKSLASH
  const value = text.charCodeAt(isEscaped ? at + 1 : at)
  if (Number.isNaN(value)) {
    throw isEscaped ? invalid('trailing backslash in pattern') : unclosed(start)
  }
  return { value, end: at + (isEscaped ? 2 : 1) }
}

function addNamedClass(text: string, at: number, table: Uint8Array): number {
  const end = text.indexOf(':]', at + 2)
  const bytes = end < 0 ? undefined : NAMED_CLASSES[text.slice(at + 2, end)]
  if (bytes === undefined) {
    throw invalid(`malformed named character class in pattern, starting at byte ${at}`)
  }
  for (let byte = 0; byte < 128; byte++) {
    if (bytes.test(String.fromCharCode(byte))) table[byte] = 1
  }
  return end + 2
}

function fillRange(table: Uint8Array, first: number, last: number): void {
  table.fill(1, Math.min(first, last), Math.max(first, last) + 1)
}

function unclosed(start: number): Error {
  return invalid(`unclosed character class in pattern, starting at byte ${start}`)
}

function invalid(text: string): Error {
  return errors.PATTERN_INVALID({ text })
}
