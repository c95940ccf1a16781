/** Words of a command line to typed values, by the grammar of stock's tools (spec cli 1.1). */
import { type Command, type Parameter, parseBoolean } from './command.ts'
import { UsageError } from './errors.ts'

type Shape = Pick<Command<never>, 'parameters' | 'positionals'>

interface Given {
  readonly name: string
  readonly text: string
}

interface Problem {
  readonly name: string
  readonly text: string
}

/**
 * The values of `words` for the parameters of `shape`.
 * @throws {UsageError} with all that is wrong in one message.
 */
export function parseArguments(
  shape: Shape,
  words: readonly string[],
): Readonly<Record<string, unknown>> {
  const { options, positionals } = splitWords(shape, words)
  const given = [...placePositionals(shape, positionals, options), ...options]
  return convert(shape, given)
}

/** The error of stock for `problems`: one sentence, or a list. */
export function parameterError(problems: readonly Problem[]): UsageError {
  const [first] = problems
  if (problems.length === 1 && first !== undefined) {
    return new UsageError(`parameter verification failed - '${first.name}': ${first.text}`)
  }
  const lines = problems.map(({ name, text }) => `- '${name}': ${text}`)
  return new UsageError(['parameter verification failed:', ...lines].join('\n'))
}

function splitWords(
  shape: Shape,
  words: readonly string[],
): { options: readonly Given[]; positionals: readonly string[] } {
  const options: Given[] = []
  const positionals: string[] = []
  const problems: Problem[] = []
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ''
    if (word === '--') {
      positionals.push(...words.slice(index + 1))
      break
    }
    const option = readOption(word)
    if (option === null) {
      positionals.push(word)
      continue
    }
    if (option.text !== null) {
      options.push({ name: option.name, text: option.text })
      continue
    }
    const taken = takeValue(shape.parameters[option.name], words[index + 1])
    if ('problem' in taken) problems.push({ name: option.name, text: taken.problem })
    else options.push({ name: option.name, text: taken.text })
    if ('text' in taken && taken.isNextWord) index += 1
  }
  if (problems.length > 0) throw parameterError(problems)
  return { options, positionals }
}

/** An option word in its parts, or null for a positional (`-` alone is one). */
function readOption(word: string): { name: string; text: string | null } | null {
  if (!word.startsWith('-') || word === '-') return null
  const body = word.startsWith('--') ? word.slice(2) : word.slice(1)
  const equals = body.indexOf('=')
  if (equals < 0) return { name: body, text: null }
  return { name: body.slice(0, equals), text: body.slice(equals + 1) }
}

function takeValue(
  parameter: Parameter<unknown> | undefined,
  next: string | undefined,
): { problem: string } | { text: string; isNextWord: boolean } {
  const isFree = next !== undefined && next !== '--' && readOption(next) === null
  if (parameter?.kind === 'boolean') {
    if (isFree && parseBoolean(next) !== null) return { text: next, isNextWord: true }
    if (parameter.defaultValue === true) return { problem: 'missing boolean value.' }
    return { text: 'true', isNextWord: false }
  }
  return isFree ? { text: next, isNextWord: true } : { problem: 'missing parameter value.' }
}

function placePositionals(
  shape: Shape,
  words: readonly string[],
  options: readonly Given[],
): readonly Given[] {
  const byName = new Set(options.map(({ name }) => name))
  const placed: Given[] = []
  const missing: Problem[] = []
  let rest = words
  for (const name of shape.positionals) {
    const parameter = shape.parameters[name]
    if (parameter === undefined || byName.has(name)) continue
    const count = parameter.isList ? rest.length : Math.min(1, rest.length)
    placed.push(...rest.slice(0, count).map((text) => ({ name, text })))
    rest = rest.slice(count)
    if (count === 0 && !parameter.isOptional) missing.push({ name, text: 'missing argument' })
  }
  if (rest.length > 0) {
    const names = rest.map((word) => JSON.stringify(word)).join(', ')
    throw new UsageError(`got additional arguments: [${names}]`)
  }
  if (missing.length > 0) throw parameterError(missing)
  return placed
}

function convert(shape: Shape, given: readonly Given[]): Readonly<Record<string, unknown>> {
  const values: Record<string, unknown> = {}
  const lists = new Map<string, unknown[]>()
  const problems: Problem[] = []
  for (const { name, text } of given) {
    const parameter = Object.hasOwn(shape.parameters, name) ? shape.parameters[name] : undefined
    const parsed = parameter?.parse(text)
    if (parameter === undefined || parsed === undefined) {
      problems.push({ name, text: 'schema does not allow additional properties.' })
    } else if ('problem' in parsed) {
      problems.push({ name, text: parsed.problem })
    } else if (parameter.isList) {
      lists.set(name, [...(lists.get(name) ?? []), parsed.value])
    } else if (name in values) {
      problems.push({ name, text: 'duplicate parameter.' })
    } else {
      values[name] = parsed.value
    }
  }
  if (problems.length === 0) problems.push(...fillAbsent(shape, values, lists))
  if (problems.length > 0) throw parameterError(problems)
  return Object.freeze({ ...values, ...Object.fromEntries(lists) })
}

/** Gives `values` the defaults; the problems are the required parameters that are absent. */
function fillAbsent(
  shape: Shape,
  values: Record<string, unknown>,
  lists: ReadonlyMap<string, unknown>,
): readonly Problem[] {
  const problems: Problem[] = []
  for (const name of Object.keys(shape.parameters).toSorted()) {
    const parameter = shape.parameters[name]
    if (parameter === undefined || name in values || lists.has(name)) continue
    if (!parameter.isOptional) {
      problems.push({ name, text: 'parameter is missing and it is not optional.' })
    } else if (parameter.defaultValue !== undefined) {
      values[name] = parameter.defaultValue
    }
  }
  return problems
}
