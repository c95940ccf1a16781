/**
 * Raw parameters to typed ones by their schema, with the stock texts of backup-protocol §3.4 and
 * rest-api §1.4. Both HTTP/2 sessions and the REST calls use this; nothing else checks input.
 *
 * Objects are closed: an unknown name is an error unless the schema says `additionalProperties`.
 * Defaults are not filled in: an absent parameter stays absent.
 */
import type { Static, TObject, TSchema } from 'typebox'
import { errors, type ParameterProblem } from './errors.ts'
import { checkMember, checkText, isArraySchema, type ParameterSource } from './value-check.ts'

export type { ParameterSource } from './value-check.ts'

/** Pairs of a form or query in the order sent; a `URLSearchParams` is one. */
export type TextPairs = Iterable<readonly [string, string]>

/**
 * A body of half a MiB can be wrong in a quarter of a million ways, and all of them together are an
 * answer, and a line of a task log, of 13 MB: the first hundred are told.
 */
const PROBLEM_COUNT_MAX = 100

/** Gathers what both sources find. */
interface Findings {
  readonly values: Record<string, unknown>
  readonly problems: ParameterProblem[]
}

/**
 * Typed parameters from `raw`: text pairs for `form`, the parsed body for `json`.
 * Errors: PARAMETERS_INVALID (with every problem), PARAMETERS_UNREADABLE (not an object, or a
 * value that stock refuses with a text of its own).
 */
export function validate<Schema extends TObject>(
  schema: Schema,
  source: 'form',
  raw: TextPairs,
): Static<Schema>
export function validate<Schema extends TObject>(
  schema: Schema,
  source: 'json',
  raw: unknown,
): Static<Schema>
export function validate<Schema extends TObject>(
  schema: Schema,
  source: ParameterSource,
  raw: unknown,
): Static<Schema> {
  const found =
    source === 'form' ? readPairs(schema, raw as TextPairs) : readMembers(schema, asObject(raw))
  const problems = source === 'form' ? formProblems(schema, found) : jsonProblems(schema, found)
  if (problems.length > 0) throw errors.PARAMETERS_INVALID({ problems })
  checkLate(schema, found.values)
  return found.values as Static<Schema>
}

function readPairs(schema: TObject, pairs: TextPairs): Findings {
  const found: Findings = { values: emptyRecord(), problems: [] }
  for (const [name, text] of pairs) {
    if (found.problems.length >= PROBLEM_COUNT_MAX) break
    readPair(schema, found, name, text)
  }
  return found
}

function readPair(schema: TObject, found: Findings, name: string, text: string): void {
  const property = propertyOf(schema, name)
  if (property === null) {
    if (!isOpen(schema)) {
      found.problems.push({ name, text: 'schema does not allow additional properties.' })
    }
    return
  }
  const array = isArraySchema(property)
  if (!array && name in found.values) {
    found.problems.push({ name, text: 'duplicate parameter.' })
    return
  }
  const checked = checkText(array ? property.items : property, text)
  if (!checked.ok) {
    found.problems.push({ name, text: checked.text })
    // Remembered, so that a second one is a duplicate and none is missing.
    if (!array) found.values[name] = undefined
    return
  }
  if (!array) {
    found.values[name] = checked.value
    return
  }
  const items = found.values[name]
  if (Array.isArray(items)) items.push(checked.value)
  else found.values[name] = [checked.value]
}

function readMembers(schema: TObject, members: Readonly<Record<string, unknown>>): Findings {
  const found: Findings = { values: emptyRecord(), problems: [] }
  for (const name of Object.keys(members).sort()) {
    if (found.problems.length >= PROBLEM_COUNT_MAX) break
    const property = propertyOf(schema, name)
    if (property === null) {
      if (!isOpen(schema)) {
        found.problems.push({ name, text: 'schema does not allow additional properties' })
      }
      continue
    }
    const checked = checkMember(property, members[name])
    if (checked.ok) found.values[name] = checked.value
    else found.problems.push({ name: `${name}${checked.at ?? ''}`, text: checked.text })
  }
  return found
}

function formProblems(schema: TObject, found: Findings): readonly ParameterProblem[] {
  if (found.problems.length > 0) return found.problems
  const text = 'parameter is missing and it is not optional.'
  return missingNames(schema, found.values).map((name) => ({ name, text }))
}

function jsonProblems(schema: TObject, found: Findings): readonly ParameterProblem[] {
  const text = 'property is missing and it is not optional'
  const given = new Set(found.problems.map(({ name }) => name.split('/')[0]))
  const missing = missingNames(schema, found.values).filter((name) => !given.has(name))
  return [...found.problems, ...missing.map((name) => ({ name, text }))]
}

/** By name; members that stock keeps in a nested object come after the object's own. */
function missingNames(schema: TObject, values: Readonly<Record<string, unknown>>): string[] {
  const missing = (schema.required ?? []).filter((name: string) => !(name in values))
  const depthOf = (name: string): number => nestingDepth(propertyOf(schema, name))
  return missing.sort().sort((a, b) => depthOf(a) - depthOf(b))
}

function nestingDepth(property: TSchema | null): number {
  const nested: unknown = property === null ? 0 : Reflect.get(property, 'x-nested')
  return typeof nested === 'number' ? nested : 0
}

/**
 * What stock finds only when it turns the checked text into its own types: the message is then
 * the whole body, without the name of the parameter.
 */
function checkLate(schema: TObject, values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values)) {
    const property = propertyOf(schema, name)
    if (property === null) continue
    const items = Array.isArray(value) ? value : [value]
    const itemSchema = isArraySchema(property) ? property.items : property
    for (const item of items) checkLateValue(itemSchema, item)
  }
}

function checkLateValue(schema: TSchema, value: unknown): void {
  const { format, enum: choices } = schema as { format?: string; enum?: readonly string[] }
  if (format === 'variant' && choices !== undefined && !choices.includes(String(value))) {
    const text = `unknown variant \`${String(value)}\`, expected ${formatChoices(choices)}`
    throw errors.PARAMETERS_UNREADABLE({ text })
  }
  if (format === 'u64' && typeof value === 'number' && value < 0) {
    throw errors.PARAMETERS_UNREADABLE({
      text: `invalid value: integer \`${value}\`, expected u64`,
    })
  }
}

function formatChoices(choices: readonly string[]): string {
  const quoted = choices.map((choice) => `\`${choice}\``)
  if (quoted.length === 1) return quoted.join('')
  return quoted.length === 2 ? quoted.join(' or ') : `one of ${quoted.join(', ')}`
}

function isOpen(schema: TObject): boolean {
  return (schema as { additionalProperties?: unknown }).additionalProperties === true
}

function propertyOf(schema: TObject, name: string): TSchema | null {
  return Object.hasOwn(schema.properties, name) ? (schema.properties[name] ?? null) : null
}

function asObject(raw: unknown): Readonly<Record<string, unknown>> {
  if (Array.isArray(raw)) {
    throw errors.PARAMETERS_UNREADABLE({ text: 'Expected object - got array.' })
  }
  if (typeof raw !== 'object' || raw === null) {
    throw errors.PARAMETERS_UNREADABLE({ text: 'Expected object - got scalar value.' })
  }
  return raw as Readonly<Record<string, unknown>>
}

/** Names come from the network: no prototype, so that `__proto__` is a name like any other. */
function emptyRecord(): Record<string, unknown> {
  return Object.create(null) as Record<string, unknown>
}
