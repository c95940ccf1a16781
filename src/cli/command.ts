/**
 * What a command of `cairn` or `cairn-client` is: a record with its words, its parameters and what it
 * does. Parsing (`parse-arguments.ts`), usage texts (`usage.ts`) and running (`run-program.ts`) read it.
 */

export type ParameterKind = 'string' | 'integer' | 'boolean'

/** One parameter, positional or option; `Value` is what the command receives when it is given. */
export interface Parameter<Value> {
  readonly kind: ParameterKind
  readonly description: string
  /** How usage texts show the type: `<string>`, `<integer> (1 - N)`, `a|b`. */
  readonly typeText: string
  readonly isOptional: boolean
  /** May be given several times; as last positional it takes all that is left. */
  readonly isList: boolean
  readonly defaultValue?: Value
  /** The value of one text, or a sentence that says what is wrong with it (spec cli 1.1). */
  parse(text: string): { readonly value: unknown } | { readonly problem: string }
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>

/** What `run` receives for `P`: a member that was not given is undefined (or its default). */
export type ValuesOf<P extends Parameters> = {
  readonly [Name in keyof P]: P[Name] extends Parameter<infer Value> ? Value : never
}

/** A command as the dispatcher sees it. */
export interface Command<Context> {
  /** The words, `snapshot list`. */
  readonly path: string
  /** Other whole spellings of the same command. */
  readonly aliases: readonly string[]
  readonly summary: string
  /** Names of the parameters that are given by position, in order. */
  readonly positionals: readonly string[]
  readonly parameters: Parameters
  run(values: Readonly<Record<string, unknown>>, context: Context): Promise<void>
}

export interface CommandDefinition<P extends Parameters, Context> {
  readonly path: string
  readonly aliases?: readonly string[]
  readonly summary: string
  readonly positionals?: readonly (keyof P & string)[]
  readonly parameters: P
  run(values: ValuesOf<P>, context: Context): Promise<void>
}

/** A command whose `run` receives the values of `parameters` with their types. */
export function command<P extends Parameters, Context>(
  definition: CommandDefinition<P, Context>,
): Command<Context> {
  return Object.freeze({
    path: definition.path,
    aliases: definition.aliases ?? [],
    summary: definition.summary,
    positionals: definition.positionals ?? [],
    parameters: definition.parameters,
    // The parser has made the values from these very parameters.
    run: (values: Readonly<Record<string, unknown>>, context: Context) =>
      definition.run(values as ValuesOf<P>, context),
  })
}

export interface TextRules {
  readonly pattern?: RegExp
  readonly lengthMin?: number
  readonly lengthMax?: number
}

/** A required text. */
export function text(description: string, rules: TextRules = {}): Parameter<string> {
  return {
    ...base('string', description, '<string>'),
    parse(value) {
      const problem = textProblem(value, rules)
      return problem === null ? { value } : { problem }
    },
  }
}

/** A required text out of `values`. */
export function choice<const Value extends string>(
  description: string,
  values: readonly Value[],
): Parameter<Value> {
  return {
    ...base('string', description, values.join('|')),
    parse: (value) =>
      values.some((known) => known === value)
        ? { value }
        : { problem: `value '${value}' is not defined in the enumeration.` },
  }
}

export interface IntegerRules {
  readonly min?: number
  readonly max?: number
}

const INTEGER = /^[+-]?[0-9]+$/

/** A required whole number. */
export function integer(description: string, rules: IntegerRules = {}): Parameter<number> {
  const { min, max } = rules
  const range = min === undefined && max === undefined ? '' : ` (${min ?? 'N'} - ${max ?? 'N'})`
  return {
    ...base('integer', description, `<integer>${range}`),
    parse(value) {
      if (!INTEGER.test(value)) return { problem: 'invalid digit found in string' }
      const number = Number(value)
      if (!Number.isSafeInteger(number)) {
        return { problem: 'number too large to fit in target type' }
      }
      if (min !== undefined && number < min) {
        return { problem: `value must have a minimum value of ${min} (got ${number})` }
      }
      if (max !== undefined && number > max) {
        return { problem: `value must have a maximum value of ${max} (got ${number})` }
      }
      return { value: number }
    },
  }
}

/** A switch; without `byDefault` it is undefined when it was not given. */
export function flag(description: string): Parameter<boolean | undefined>
export function flag(
  description: string,
  options: { readonly byDefault: boolean },
): Parameter<boolean>
export function flag(
  description: string,
  options?: { readonly byDefault: boolean },
): Parameter<boolean | undefined> {
  return {
    ...base('boolean', description, '<boolean>'),
    isOptional: true,
    ...(options === undefined ? {} : { defaultValue: options.byDefault }),
    parse(value) {
      const known = parseBoolean(value)
      return known === null ? { problem: 'Unable to parse boolean option.' } : { value: known }
    },
  }
}

/** `parameter`, but it may be left out. */
export function optional<Value>(parameter: Parameter<Value>): Parameter<Value | undefined> {
  return { ...parameter, isOptional: true }
}

/** `parameter` with the value it has when it is left out. */
export function withDefault<Value>(parameter: Parameter<Value>, value: Value): Parameter<Value> {
  return { ...parameter, isOptional: true, defaultValue: value }
}

/** `parameter` any number of times; an empty list if it is an option that was not given. */
export function list<Value>(
  parameter: Parameter<Value>,
  options: { readonly isOptional: boolean },
): Parameter<readonly Value[]> {
  const { kind, description, typeText } = parameter
  return {
    kind,
    description,
    typeText,
    isOptional: options.isOptional,
    isList: true,
    ...(options.isOptional ? { defaultValue: [] } : {}),
    parse: (value) => parameter.parse(value),
  }
}

const TRUE_WORDS: readonly string[] = ['1', 'on', 'yes', 'true']
const FALSE_WORDS: readonly string[] = ['0', 'off', 'no', 'false']

/** The boolean that `word` means in any case, or null. */
export function parseBoolean(word: string): boolean | null {
  const lower = word.toLowerCase()
  if (TRUE_WORDS.includes(lower)) return true
  return FALSE_WORDS.includes(lower) ? false : null
}

function base(kind: ParameterKind, description: string, typeText: string) {
  return { kind, description, typeText, isOptional: false, isList: false } as const
}

function textProblem(value: string, rules: TextRules): string | null {
  if (rules.lengthMin !== undefined && value.length < rules.lengthMin) {
    return `value must be at least ${rules.lengthMin} characters long`
  }
  if (rules.lengthMax !== undefined && value.length > rules.lengthMax) {
    return `value may only be ${rules.lengthMax} characters long`
  }
  if (rules.pattern !== undefined && !rules.pattern.test(value)) {
    return 'value does not match the regex pattern'
  }
  return null
}
