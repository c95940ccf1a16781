/** From the words of a command line to an exit code: finds the command, parses, runs, reports. */
import { toError } from '../base/errors.ts'
import type { Command } from './command.ts'
import { UsageError } from './errors.ts'
import { EXIT_FAILED, EXIT_OK } from './exit-codes.ts'
import type { Output } from './output.ts'
import { parseArguments } from './parse-arguments.ts'
import { commandUsage, usageList } from './usage.ts'

export interface Program<Context extends { readonly output: Output }> {
  /** How it is called, for usage texts. */
  readonly name: string
  readonly commands: readonly Command<Context>[]
}

type Found<Context> =
  | {
      readonly kind: 'command'
      readonly command: Command<Context>
      readonly rest: readonly string[]
    }
  | { readonly kind: 'none'; readonly message: string; readonly prefix: string }

const HELP_WORDS: readonly string[] = ['--help', '-h', '-help']

/** Runs what `words` ask for and returns the exit code; errors are printed, never thrown. */
export async function runProgram<Context extends { readonly output: Output }>(
  program: Program<Context>,
  words: readonly string[],
  context: Context,
): Promise<number> {
  const { output } = context
  if (words[0] === 'help') return help(program, words.slice(1), output)
  if (asksForHelp(words)) return help(program, wordsBeforeOptions(words), output)
  const found = findCommand(program.commands, words)
  if (found.kind === 'none') {
    output.log(`Error: ${found.message}\n`)
    output.log(usageList('', commandsBelow(program.commands, found.prefix)))
    return EXIT_FAILED
  }
  const { command, rest } = found
  try {
    await command.run(parseArguments(command, rest), context)
    return EXIT_OK
  } catch (thrown) {
    output.log(errorText(thrown))
    if (thrown instanceof UsageError) {
      output.log(commandUsage(`${program.name} `, command, { withSummary: false }))
    }
    return EXIT_FAILED
  }
}

/** `Error: …` and the causes below it, as stock prints them (spec cli 1.2). */
export function errorText(thrown: unknown): string {
  const error = toError(thrown)
  const causes: string[] = []
  for (let cause: unknown = error.cause; cause !== undefined; cause = toError(cause).cause) {
    causes.push(toError(cause).message)
  }
  const lines = [`Error: ${error.message}`]
  if (causes.length > 0) lines.push('', 'Caused by:')
  if (causes.length === 1) lines.push(`    ${causes[0]}`)
  else lines.push(...causes.map((cause, index) => `    ${index}: ${cause}`))
  return lines.join('\n')
}

/** The command that `words` begin with: exact alias, else words that may be cut to a clear prefix. */
function findCommand<Context>(
  commands: readonly Command<Context>[],
  words: readonly string[],
): Found<Context> {
  const alias = commands.find(({ aliases }) => aliases.includes(words[0] ?? ''))
  if (alias !== undefined) return { kind: 'command', command: alias, rest: words.slice(1) }
  let prefix = ''
  for (const [index, word] of words.entries()) {
    const next = nextWord(commands, prefix, word)
    if (next === null) return { kind: 'none', message: `no such command '${word}'`, prefix }
    prefix = prefix === '' ? next : `${prefix} ${next}`
    const command = commands.find(({ path }) => path === prefix)
    if (command !== undefined) return { kind: 'command', command, rest: words.slice(index + 1) }
  }
  const possible = possibleWords(commands, prefix).join(', ')
  return { kind: 'none', message: `no command specified.\nPossible commands: ${possible}`, prefix }
}

function nextWord(
  commands: readonly { readonly path: string }[],
  prefix: string,
  word: string,
): string | null {
  const possible = possibleWords(commands, prefix)
  if (possible.includes(word)) return word
  const matches = possible.filter((known) => known.startsWith(word))
  return matches.length === 1 ? (matches[0] ?? null) : null
}

function possibleWords(
  commands: readonly { readonly path: string }[],
  prefix: string,
): readonly string[] {
  const depth = prefix === '' ? 0 : prefix.split(' ').length
  const words = commandsBelow(commands, prefix).map(({ path }) => path.split(' ')[depth] ?? '')
  return [...new Set(words)].toSorted()
}

function commandsBelow<Item extends { readonly path: string }>(
  commands: readonly Item[],
  prefix: string,
): readonly Item[] {
  return commands.filter(({ path }) => prefix === '' || `${path} `.startsWith(`${prefix} `))
}

function asksForHelp(words: readonly string[]): boolean {
  const end = words.indexOf('--')
  return words.slice(0, end < 0 ? words.length : end).some((word) => HELP_WORDS.includes(word))
}

function wordsBeforeOptions(words: readonly string[]): readonly string[] {
  const end = words.findIndex((word) => word.startsWith('-'))
  return words.slice(0, end)
}

function help<Context>(
  program: { readonly name: string; readonly commands: readonly Command<Context>[] },
  words: readonly string[],
  output: Output,
): number {
  const asked = words.filter((word) => !word.startsWith('-'))
  const found = findCommand(program.commands, asked)
  if (found.kind === 'command') {
    output.line(commandUsage(`${program.name} `, found.command, { withSummary: true }))
  } else if (found.message.startsWith('no such command')) {
    output.log(found.message)
  } else {
    output.line(usageList('', commandsBelow(program.commands, found.prefix)))
  }
  return EXIT_OK
}
