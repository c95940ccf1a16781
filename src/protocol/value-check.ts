/**
 * One parameter against its schema: text of a form or query is converted, a JSON member must
 * have the right type. The texts are those of backup-protocol §3.4 and rest-api §1.4.
 */
import type { TSchema } from 'typebox'
import { checkFormat } from './formats.ts'

/** Where parameters come from: text pairs (query, form) or members of a JSON object. */
export type ParameterSource = 'form' | 'json'

/** A good value, or the text that says what is wrong with it. */
export type Checked =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly text: string; readonly at?: string }

/** The members of a JSON schema that parameters use, as plain data. */
interface Rules {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly format?: string
  readonly items?: TSchema
}

const TRUE_WORDS = new Set(['1', 'on', 'yes', 'true'])
const FALSE_WORDS = new Set(['0', 'off', 'no', 'false'])
const INTEGER = /^[+-]?\d+$/
const INT64_MAX = 2n ** 63n - 1n
const INT64_MIN = -(2n ** 63n)

/** Checks the text of a form or query value; arrays are handled by the caller, item by item. */
export function checkText(schema: TSchema, text: string): Checked {
  const rules = schema as Rules
  switch (rules.type) {
    case 'boolean':
      return checkBooleanText(text)
    case 'integer':
      return checkIntegerText(rules, text)
    default:
      return checkString(rules, text)
  }
}

/** Checks one member of a JSON body, arrays included. */
export function checkMember(schema: TSchema, value: unknown): Checked {
  const rules = schema as Rules
  switch (rules.type) {
    case 'boolean':
      return typeof value === 'boolean' ? good(value) : bad('Expected boolean value.')
    case 'integer':
      return Number.isInteger(value)
        ? checkRange(rules, value as number)
        : bad('Expected integer value.')
    case 'array':
      return checkArray(rules, value)
    default:
      return typeof value === 'string' ? checkString(rules, value) : bad('Expected string value.')
  }
}

/** Whether `schema` is an array, which forms write as a repeated key. */
export function isArraySchema(schema: TSchema): schema is TSchema & { items: TSchema } {
  return (schema as Rules).type === 'array'
}

function checkArray(rules: Rules, value: unknown): Checked {
  if (!Array.isArray(value)) {
    const got = typeof value === 'object' && value !== null ? 'object' : 'scalar value'
    return bad(`Expected array - got ${got}.`)
  }
  const items: unknown[] = []
  for (const [index, item] of value.entries()) {
    const checked = checkMember(rules.items ?? {}, item)
    if (!checked.ok) return { ...checked, at: `/[${index}]${checked.at ?? ''}` }
    items.push(checked.value)
  }
  return good(items)
}

function checkBooleanText(text: string): Checked {
  const word = text.toLowerCase()
  if (TRUE_WORDS.has(word)) return good(true)
  if (FALSE_WORDS.has(word)) return good(false)
  return bad('Unable to parse boolean option.')
}

function checkIntegerText(rules: Rules, text: string): Checked {
  if (text === '') return bad('cannot parse integer from empty string')
  if (!INTEGER.test(text)) return bad('invalid digit found in string')
  const exact = BigInt(text.replace(/^\+/, ''))
  if (exact > INT64_MAX) return bad('number too large to fit in target type')
  if (exact < INT64_MIN) return bad('number too small to fit in target type')
  return checkRange(rules, Number(exact))
}

function checkRange(rules: Rules, value: number): Checked {
  if (rules.minimum !== undefined && value < rules.minimum) {
    return bad(`value must have a minimum value of ${rules.minimum} (got ${value})`)
  }
  if (rules.maximum !== undefined && value > rules.maximum) {
    return bad(`value must have a maximum value of ${rules.maximum} (got ${value})`)
  }
  return good(value)
}

function checkString(rules: Rules, value: string): Checked {
  const { minLength, maxLength } = rules
  if (minLength !== undefined && characters(value) < minLength) {
    return bad(`value must be at least ${minLength} characters long`)
  }
  if (maxLength !== undefined && characters(value) > maxLength) {
    return bad(`value may only be ${maxLength} characters long`)
  }
  if (rules.enum !== undefined && rules.format !== 'variant' && !rules.enum.includes(value)) {
    return bad(`value '${value}' is not defined in the enumeration.`)
  }
  if (rules.pattern !== undefined && !compiled(rules.pattern).test(value)) {
    return bad('value does not match the regex pattern')
  }
  const problem = checkFormat(rules.format, value)
  return problem === null ? good(value) : bad(problem)
}

const patterns = new Map<string, RegExp>()

/** Patterns come from our own schemas only, so the table is bounded by them. */
function compiled(pattern: string): RegExp {
  let expression = patterns.get(pattern)
  if (expression === undefined) {
    expression = new RegExp(pattern, 'u')
    patterns.set(pattern, expression)
  }
  return expression
}

/** Length in characters, not UTF-16 units; plain ASCII is the fast and usual case. */
function characters(value: string): number {
  let count = 0
  for (const _ of value) count += 1
  return count
}

function good(value: unknown): Checked {
  return { ok: true, value }
}

function bad(text: string): Checked {
  return { ok: false, text }
}
