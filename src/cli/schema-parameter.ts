/** Parameters of commands out of the schemas of the API: one place says what a value may be. */
import type { TSchema } from 'typebox'
import { checkText } from '../protocol/value-check.ts'
import { integer, type Parameter, text } from './command.ts'

/** A text (or the text of a number) that `schema` accepts. */
export function textOf(schema: TSchema, description: string): Parameter<string> {
  return {
    ...text(description),
    parse: (value) => {
      const problem = problemOf(schema, value)
      return problem === null ? { value } : { problem }
    },
  }
}

/** A whole number that `schema` accepts. */
export function numberOf(schema: TSchema, description: string): Parameter<number> {
  return {
    ...integer(description),
    parse: (value) => {
      const problem = problemOf(schema, value)
      return problem === null ? { value: Number(value) } : { problem }
    },
  }
}

function problemOf(schema: TSchema, value: string): string | null {
  const checked = checkText(schema, value)
  return checked.ok ? null : checked.text
}
