/**
 * The section file format (`datastore.cfg`, `user.cfg`, `domains.cfg`, …):
 *
 * ```
 * type: id
 * <tab>key value
 * <tab>key value
 * <empty line>
 * ```
 *
 * A parsed file keeps every line as it is; a change rewrites only the lines of the section it is about. Sections and
 * keys that nobody knows, which stock refuses, survive. Keys of one section stand in alphabetical order, as stock
 * writes them. Source: rest-api.md 2.8.
 */
import { errors } from './errors.ts'

export interface Section {
  readonly kind: 'section'
  readonly type: string
  readonly id: string
  /** In file order; a key that is stored as a list stands several times. */
  readonly properties: readonly (readonly [key: string, value: string])[]
  /** The lines as they are in the file, without line ends, the heading first. */
  readonly lines: readonly string[]
}

interface OtherLine {
  readonly kind: 'other'
  readonly line: string
}

export interface SectionConfig {
  readonly items: readonly (Section | OtherLine)[]
  /** Whether the last line has a line end. */
  readonly ended: boolean
}

/** New values by key; null removes the key, a list stores the key once per item. */
export type SectionChanges = ReadonlyMap<string, string | readonly string[] | null>

/** Of lines without white space at their ends: each takes time in proportion to the line, whatever is in it. */
const HEADING = /^(\S+)(?:[ \t]+(\S+))?$/
const PROPERTY = /^[ \t]+(\S+)(?:[ \t]+(.*))?$/s

/** The sections and all other lines of `text`; never fails, what is no section is kept as it is. */
export function parseSectionConfig(text: string): SectionConfig {
  const items: (Section | OtherLine)[] = []
  const ended = text === '' || text.endsWith('\n')
  const lines = text === '' ? [] : (ended ? text.slice(0, -1) : text).split('\n')
  for (let index = 0; index < lines.length; ) {
    const line = lines[index] ?? ''
    const heading = line.startsWith('#') ? null : parseHeading(line)
    if (heading === null) {
      items.push({ kind: 'other', line })
      index += 1
      continue
    }
    let end = index + 1
    while (end < lines.length && parseProperty(lines[end] ?? '') !== null) end += 1
    items.push(sectionOf(heading.type, heading.id, lines.slice(index, end)))
    index = end
  }
  return Object.freeze({ items, ended })
}

/** The text of `config`. */
export function formatSectionConfig(config: SectionConfig): string {
  const lines = config.items.flatMap((item) => (item.kind === 'section' ? item.lines : [item.line]))
  if (lines.length === 0) return ''
  return lines.join('\n') + (config.ended ? '\n' : '')
}

/** The sections of one type, or of all, in file order. */
export function sectionsOf(config: SectionConfig, type?: string): Section[] {
  return config.items.filter(
    (item): item is Section =>
      item.kind === 'section' && (type === undefined || item.type === type),
  )
}

/** The section `type: id`, or null. */
export function findSection(config: SectionConfig, type: string, id: string): Section | null {
  return sectionsOf(config, type).find((section) => section.id === id) ?? null
}

/** The properties of `section` by key; of a repeated key the first. */
export function propertiesOf(section: Section): ReadonlyMap<string, string> {
  return new Map(section.properties.toReversed())
}

/** `config` with a new section behind all others. */
export function addSection(
  config: SectionConfig,
  section: { readonly type: string; readonly id: string; readonly properties: SectionChanges },
): SectionConfig {
  const empty = sectionOf(section.type, section.id, [`${section.type}: ${section.id}`])
  const last = config.items.at(-1)
  const separated = last === undefined || (last.kind === 'other' && last.line.trim() === '')
  const items = [...config.items]
  if (!separated) items.push({ kind: 'other', line: '' })
  items.push(changed(empty, section.properties))
  return { items, ended: true }
}

/** `config` with the properties of one section changed; the same config if nothing differs. */
export function changeSection(
  config: SectionConfig,
  target: { readonly type: string; readonly id: string },
  changes: SectionChanges,
): SectionConfig {
  const section = findSection(config, target.type, target.id)
  if (section === null) return config
  const next = changed(section, changes)
  if (next.lines.join('\n') === section.lines.join('\n')) return config
  return { ...config, items: config.items.map((item) => (item === section ? next : item)) }
}

/** `config` without the section, and without the empty line that set it off. */
export function removeSection(
  config: SectionConfig,
  target: { readonly type: string; readonly id: string },
): SectionConfig {
  const section = findSection(config, target.type, target.id)
  if (section === null) return config
  const items = [...config.items]
  const index = items.indexOf(section)
  items.splice(index, 1)
  if (isEmptyLine(items[index])) items.splice(index, 1)
  else if (index === items.length && isEmptyLine(items[index - 1])) items.splice(index - 1, 1)
  return { ...config, items }
}

function isEmptyLine(item: Section | OtherLine | undefined): boolean {
  return item?.kind === 'other' && item.line.trim() === ''
}

/** `type: id`; the last colon that leaves an id is the one that counts. */
function parseHeading(line: string): { readonly type: string; readonly id: string } | null {
  const [, first = '', second] = HEADING.exec(line.trimEnd()) ?? []
  const colon = first.lastIndexOf(':', second === undefined ? first.length - 2 : first.length)
  const isLast = colon === first.length - 1
  if (colon < 1 || (second !== undefined && !isLast)) return null
  return { type: first.slice(0, colon), id: second ?? first.slice(colon + 1) }
}

function parseProperty(line: string): readonly [key: string, value: string] | null {
  const [, key, value = ''] = PROPERTY.exec(line.trimEnd()) ?? []
  return key === undefined ? null : [key, value]
}

function sectionOf(type: string, id: string, lines: readonly string[]): Section {
  const properties = lines.slice(1).flatMap((line) => {
    const property = parseProperty(line)
    return property === null ? [] : [property]
  })
  return Object.freeze({ kind: 'section', type, id, properties, lines })
}

function changed(section: Section, changes: SectionChanges): Section {
  let lines = [...section.lines]
  for (const [key, value] of changes) lines = withProperty(lines, key, value)
  return sectionOf(section.type, section.id, lines)
}

function withProperty(
  lines: readonly string[],
  key: string,
  value: string | readonly string[] | null,
): string[] {
  const values = value === null ? [] : typeof value === 'string' ? [value] : value
  if (values.some((text) => /[\r\n]/.test(text))) throw errors.CONFIG_VALUE({ key })
  const added = values.map((text) => (text === '' ? `\t${key}` : `\t${key} ${text}`))
  const keyOf = (line: string): string | undefined => parseProperty(line)?.[0]
  const present = lines.findIndex((line, index) => index > 0 && keyOf(line) === key)
  const kept = lines.filter((line, index) => index === 0 || keyOf(line) !== key)
  const later = kept.findIndex((line, index) => index > 0 && (keyOf(line) ?? '') > key)
  const position = present > 0 ? present : later > 0 ? later : kept.length
  return kept.toSpliced(position, 0, ...added)
}
