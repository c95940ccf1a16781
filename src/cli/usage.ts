/** Synopsis and help texts of commands (spec cli 1.1). */
import type { Command, Parameter } from './command.ts'

const WIDTH = 80
const NAME_COLUMN = 11
const INDENT = ' '.repeat(13)

type Documented = Pick<Command<never>, 'path' | 'summary' | 'positionals' | 'parameters'>

/** One line: words, arguments, required options, `[OPTIONS]`. */
export function synopsis(command: Documented): string {
  const parts = [command.path]
  for (const name of command.positionals) {
    const parameter = command.parameters[name]
    if (parameter !== undefined) parts.push(argumentText(name, parameter))
  }
  const options = optionsOf(command)
  for (const [name, parameter] of options) {
    if (!parameter.isOptional) parts.push(`--${name} ${parameter.typeText}`)
  }
  if (options.some(([, parameter]) => parameter.isOptional)) parts.push('[OPTIONS]')
  return parts.join(' ')
}

/** The list of synopses, one command a line, with a heading. */
export function usageList(program: string, commands: readonly Documented[]): string {
  const lines = commands
    .toSorted((left, right) => (left.path < right.path ? -1 : 1))
    .map((command) => `${program}${synopsis(command)}`)
  return ['Usage:', '', ...lines, ''].join('\n')
}

/**
 * The whole usage of one command.
 * @param options.withSummary whether the description follows the first line (help, not errors).
 */
export function commandUsage(
  program: string,
  command: Documented,
  options: { readonly withSummary: boolean },
): string {
  const lines = [`Usage: ${program}${synopsis(command)}`, '']
  if (options.withSummary) lines.push(command.summary, '')
  for (const name of command.positionals) {
    const parameter = command.parameters[name]
    if (parameter !== undefined) lines.push(...parameterLines(`<${name}>`, parameter))
  }
  const rest = optionsOf(command)
  for (const [name, parameter] of rest.filter(([, { isOptional }]) => !isOptional)) {
    lines.push(...parameterLines(`--${name}`, parameter))
  }
  const optionals = rest.filter(([, { isOptional }]) => isOptional)
  if (optionals.length > 0) lines.push('Optional parameters:', '')
  for (const [name, parameter] of optionals) lines.push(...parameterLines(`--${name}`, parameter))
  return lines.join('\n')
}

function optionsOf(command: Documented): readonly (readonly [string, Parameter<unknown>])[] {
  return Object.entries(command.parameters)
    .filter(([name]) => !command.positionals.includes(name))
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
}

function argumentText(name: string, parameter: Parameter<unknown>): string {
  if (parameter.isList) return parameter.isOptional ? `[{<${name}>}]` : `{<${name}>}`
  return parameter.isOptional ? `[<${name}>]` : `<${name}>`
}

function parameterLines(label: string, parameter: Parameter<unknown>): string[] {
  const byDefault = parameter.isList ? undefined : parameter.defaultValue
  const tail =
    byDefault === undefined
      ? ''
      : `   (default=${typeof byDefault === 'string' ? byDefault : JSON.stringify(byDefault)})`
  const more = parameter.isList ? ' Can be specified more than once.' : ''
  return [
    ` ${label.padEnd(NAME_COLUMN - 1)} ${parameter.typeText}${tail}`,
    ...wrap(`${parameter.description}${more}`).map((line) => `${INDENT}${line}`),
    '',
  ]
}

function wrap(text: string): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (longer.length <= WIDTH - INDENT.length) {
      line = longer
      continue
    }
    lines.push(line)
    line = word
  }
  return [...lines, line]
}
