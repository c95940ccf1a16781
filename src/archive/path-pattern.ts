/**
 * Include and exclude patterns (pxar.md 13): entries, and lists of them where the last match decides.
 * Paths and patterns are byte strings (one character per byte); paths start with `/`.
 */
import { errors } from './errors.ts'
import { type PatternToken, parseTokens } from './pattern-parser.ts'
import { MODE_DIRECTORY, MODE_TYPE_MASK } from './tree-entry.ts'

export type MatchType = 'include' | 'exclude'

export interface MatchEntry {
  readonly type: MatchType
  /** The pattern without its sign and trailing slashes; a byte string. */
  readonly pattern: string
  readonly directoriesOnly: boolean
  /** The whole path must match; otherwise any end of it that starts after a slash will do. */
  readonly anchored: boolean
  readonly tokens: readonly PatternToken[]
}

/**
 * Parses an entry: a leading `!` turns `type` round, a trailing `/` limits it to directories.
 * Errors: PATTERN_INVALID with the texts of pxar.md 13.1.
 */
export function parseMatchEntry(
  text: string,
  type: MatchType,
  options: { readonly anchored?: boolean } = {},
): MatchEntry {
  const isTurned = text.startsWith('!')
  const body = isTurned ? text.slice(1) : text
  const stripped = withoutEndSlashes(body)
  return {
    type: isTurned ? opposite(type) : type,
    pattern: stripped === '' ? '/' : stripped,
    directoriesOnly: stripped === '' || stripped.length < body.length,
    anchored: options.anchored ?? false,
    tokens: parseTokens(stripped === '' ? '/' : stripped),
  }
}

/** A pattern of `--pattern`: at least two characters, not ending in a backslash (pxar.md 16.1). */
export function parseRestorePattern(text: string): MatchEntry {
  if (!/^[^\n]+[^\\]$/.test(text)) {
    throw errors.PATTERN_INVALID({ text: `value does not match the regex pattern: '${text}'` })
  }
  return parseMatchEntry(Buffer.from(text).toString('latin1'), 'include')
}

/** Whether `entry` matches `path`. `mode` is the entry's mode; 0 where none is recorded. */
export function matchesEntry(entry: MatchEntry, path: string, mode: number): boolean {
  if (entry.directoriesOnly && (mode & MODE_TYPE_MASK) !== MODE_DIRECTORY) return false
  if (matchTokens(entry.tokens, path, 0)) return true
  if (entry.anchored) return false
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    if (matchTokens(entry.tokens, path, slash + 1)) return true
  }
  return false
}

/** What the last entry of `list` that matches says, or null when none does. */
export function matchList(
  list: readonly MatchEntry[],
  path: string,
  mode: number,
): MatchType | null {
  for (let index = list.length - 1; index >= 0; index--) {
    const entry = list[index] as MatchEntry
    if (matchesEntry(entry, path, mode)) return entry.type
  }
  return null
}

/** Lines that record `entries` as given, for `.pxarexclude-cli` and the prelude (pxar.md 13.5). */
export function formatPatternLines(entries: readonly MatchEntry[]): string {
  return entries
    .map(({ type, pattern, directoriesOnly }) => {
      const slash = directoriesOnly && !pattern.endsWith('/') ? '/' : ''
      return `${type === 'include' ? '!' : ''}${pattern}${slash}\n`
    })
    .join('')
}

/** Outcomes of the matcher; the last two end the alternatives of stars further out. */
const NO_MATCH = 0
const MATCH = 1
/** A `*` met a slash: only an enclosing `**` may go on. */
const GIVE_UP_STAR = 2
/** The path is used up: longer runs of any star cannot help. */
const GIVE_UP = 3

function matchTokens(tokens: readonly PatternToken[], path: string, start: number): boolean {
  const starCount = tokens.filter(({ kind }) => kind.endsWith('star')).length
  // With several stars the same rest would be tried again and again: each outcome is kept, which
  // bounds the work by pattern times path even for a hostile .pxarexclude.
  const known = starCount > 1 ? new Map<number, number>() : null
  return matchFrom({ tokens, path, known }, 0, start) === MATCH
}

interface Match {
  readonly tokens: readonly PatternToken[]
  readonly path: string
  readonly known: Map<number, number> | null
}

function matchFrom(match: Match, tokenStart: number, pathStart: number): number {
  const { tokens, path } = match
  let at = pathStart
  for (let index = tokenStart; index < tokens.length; index++) {
    const token = tokens[index] as PatternToken
    if (token.kind === 'star' || token.kind === 'double-star') {
      return matchStarKnown(match, index, at)
    }
    if (at >= path.length) return GIVE_UP
    if (!matchesByte(token, path.charCodeAt(at))) return NO_MATCH
    at++
  }
  return at === path.length ? MATCH : NO_MATCH
}

function matchesByte(token: PatternToken, byte: number): boolean {
  if (token.kind === 'byte') return token.value === byte
  if (token.kind === 'any') return byte !== 0x2f
  return token.kind === 'class' && token.table[byte] === 1
}

function matchStarKnown(match: Match, index: number, start: number): number {
  const key = index * (match.path.length + 1) + start
  const known = match.known?.get(key)
  if (known !== undefined) return known
  const outcome = matchStar(match, index, start)
  match.known?.set(key, outcome)
  return outcome
}

function matchStar(match: Match, index: number, start: number): number {
  const { tokens, path } = match
  const token = tokens[index] as PatternToken
  const isDouble = token.kind === 'double-star'
  if (index === tokens.length - 1) {
    if (isDouble) return MATCH
    return path.indexOf('/', start) < 0 ? MATCH : GIVE_UP_STAR
  }
  if (isDouble && token.optionalSlash && matchFrom(match, index + 2, start) === MATCH) return MATCH
  for (let at = start; at <= path.length; at++) {
    const outcome = matchFrom(match, index + 1, at)
    if (outcome === MATCH || outcome === GIVE_UP) return outcome
    if (outcome === GIVE_UP_STAR && !isDouble) return outcome
    if (!isDouble && path.charCodeAt(at) === 0x2f) return GIVE_UP_STAR
  }
  return GIVE_UP
}

/** `text` without the slashes at its end; not by a regex, which takes the square of the time for many others. */
function withoutEndSlashes(text: string): string {
  let end = text.length
  while (text.endsWith('/', end)) end--
  return text.slice(0, end)
}

function opposite(type: MatchType): MatchType {
  return type === 'include' ? 'exclude' : 'include'
}
