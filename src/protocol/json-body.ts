/**
 * A JSON body as stock reads it: the same texts for what is not JSON, and numbers that are not
 * 64-bit integers recognisable, because the API has no other numbers.
 */
import { errors } from './errors.ts'
import { describeJsonProblem } from './json-problem.ts'

/** A number literal that may be a fraction or too large for a double; only then look closer. */
const SUSPECT_NUMBER = /[:,[]\s*-?(?:\d+[.eE]|\d{16})/
const INTEGER_LITERAL = /^-?\d+$/
const INT64_MAX = 2n ** 63n - 1n
const INT64_MIN = -(2n ** 63n)

/**
 * The value of `text`; numbers outside the signed 64-bit integers become NaN, which no schema
 * accepts. Errors: PARAMETERS_UNREADABLE with the parser's text.
 */
export function parseJsonBody(text: string): unknown {
  try {
    return SUSPECT_NUMBER.test(text) ? parseExactly(text, keepIntegers) : JSON.parse(text)
  } catch (error) {
    throw errors.PARAMETERS_UNREADABLE({ text: describeJsonProblem(text) }, { cause: error })
  }
}

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown

/** JSON.parse hands the source text of a literal to the reviver; its types do not say so yet. */
const parseExactly = JSON.parse as (text: string, reviver: Reviver) => unknown

function keepIntegers(
  _key: string,
  value: unknown,
  context: { readonly source?: string },
): unknown {
  if (typeof value !== 'number' || context.source === undefined) return value
  if (!INTEGER_LITERAL.test(context.source)) return Number.NaN
  const exact = BigInt(context.source)
  return exact > INT64_MAX || exact < INT64_MIN ? Number.NaN : value
}
