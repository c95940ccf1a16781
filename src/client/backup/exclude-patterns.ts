/** Where exclude patterns come from: options and `.pxarexclude` files (pxar.md 13.3 and 13.4). */
import { errorChain } from '../../base/errors.ts'
import { type MatchEntry, parseMatchEntry } from '../../archive/path-pattern.ts'
import { errors } from './errors.ts'

/** Plain data: it can be given to another thread. */
export type ExcludePattern = MatchEntry

/**
 * A value of `--exclude`, normalised as the backup command does; `onWarning` hears of a change.
 * Errors: EXCLUDE_INVALID.
 */
export function parseExcludeOption(
  text: string,
  onWarning: (line: string) => void,
): ExcludePattern {
  const bytes = Buffer.from(text).toString('latin1')
  const normal = normalizePattern(bytes)
  if (normal !== bytes) onWarning(sanitizedText(bytes, normal))
  try {
    return parseMatchEntry(normal, 'exclude')
  } catch (cause) {
    throw errors.EXCLUDE_INVALID({ reason: errorChain(cause) }, { cause })
  }
}

/** The pattern of `--skip-lost-and-found`. */
export function lostAndFoundPattern(): ExcludePattern {
  return parseMatchEntry('lost+found', 'exclude')
}

/**
 * The patterns of a `.pxarexclude` file with this `content` in `directory` (byte string relative to
 * the root, empty for the root). Bad lines are left out and told to `onWarning`.
 */
export function parseExcludeFile(
  content: Buffer,
  directory: string,
  onWarning: (line: string) => void,
): ExcludePattern[] {
  const patterns: ExcludePattern[] = []
  for (const rawLine of content.toString('latin1').split('\n')) {
    const line = withoutOuterBlanks(rawLine)
    if (line === '' || line.startsWith('#')) continue
    try {
      patterns.push(parseLine(line, directory, onWarning))
    } catch (error) {
      onWarning(`bad pattern in ${quotePath(directory)}: ${errorChain(error)}`)
    }
  }
  return patterns
}

const BLANKS = ' \t\n\f\r'

/** Not by a regex, which takes the square of the time for blanks in the middle of a line. */
function withoutOuterBlanks(line: string): string {
  let start = 0
  let end = line.length
  while (start < end && BLANKS.includes(line.charAt(start))) start++
  while (end > start && BLANKS.includes(line.charAt(end - 1))) end--
  return line.slice(start, end)
}

function parseLine(
  line: string,
  directory: string,
  onWarning: (line: string) => void,
): ExcludePattern {
  const type = line.startsWith('!') ? 'include' : 'exclude'
  const rest = type === 'include' ? line.slice(1) : line
  const anchored = rest.startsWith('/')
  const pattern = anchored && directory !== '' ? `/${directory}${rest}` : rest
  // Here, unlike in the option, a sign is no part of the first component.
  const sign = pattern.startsWith('!') ? '!' : ''
  const body = pattern.slice(sign.length)
  const normal = normalizePattern(body)
  if (normal !== body) onWarning(sanitizedText(body, normal))
  return parseMatchEntry(sign + normal, type, { anchored })
}

/** Drops `.`, resolves `x/..`, drops leading `..`, merges slashes, keeps one trailing slash. */
function normalizePattern(pattern: string): string {
  const components: string[] = []
  for (const component of pattern.split('/')) {
    if (component === '..') components.pop()
    else if (component !== '' && component !== '.') components.push(component)
  }
  const start = pattern.startsWith('/') ? '/' : ''
  const end = pattern.endsWith('/') && components.length > 0 ? '/' : ''
  return start + components.join('/') + end
}

function sanitizedText(before: string, after: string): string {
  return `Sanitized exclude pattern. Before: ${quotePath(before)}, after: ${quotePath(after)}`
}

/** A byte string for people: quoted, bytes that are no UTF-8 replaced. */
export function quotePath(path: string): string {
  return JSON.stringify(Buffer.from(path, 'latin1').toString())
}
