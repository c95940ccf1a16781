/** `cairn-client`: puts the doors together, runs the command, sets the exit code. */
import { hostname } from 'node:os'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { systemClock } from '../base/time/clock.ts'
import { errors } from '../client/errors.ts'
import type { ClientHost } from '../client/host.ts'
import type { ClientContext } from './client/common.ts'
import type { Command } from './command.ts'
import { EXIT_FAILED } from './exit-codes.ts'
import { Output } from './output.ts'
import { openProgress } from './progress.ts'
import { terminalPrompt } from './prompt.ts'
import { runProgram } from './run-program.ts'

const { stdout, stderr } = process
/** Columns of a terminal that does not say. */
const WIDTH = 80

/** Ctrl-C once: the session is aborted and the server cleans up; twice: gone at once. */
function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT_FAILED)
    controller.abort(errors.INTERRUPTED({}))
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  return controller.signal
}

/** Resolves when standard output takes more; a reader that left ends the program. */
async function writeOut(bytes: Uint8Array): Promise<void> {
  if (stdout.write(bytes)) return
  await new Promise<void>((resolve) => stdout.once('drain', resolve))
}

function openContext(): ClientContext {
  const environment = Object.freeze({ ...process.env })
  const output = new Output(
    {
      writeOut: (text) => stdout.write(text),
      writeError: (text) => stderr.write(text),
      width: stdout.isTTY ? stdout.columns || null : null,
    },
    environment,
  )
  const progress = openProgress(
    {
      isTerminal: stderr.isTTY && environment['TERM'] !== 'dumb',
      // A terminal that does not know its width says 0.
      width: stderr.isTTY ? stderr.columns || WIDTH : WIDTH,
      write: (text) => stderr.write(text),
      log: (line) => output.log(line),
    },
    systemClock,
  )
  const log = (line: string) => {
    progress.clear()
    output.log(line)
  }
  const host: ClientHost = {
    fs: nodeFileSystem,
    clock: systemClock,
    environment,
    prompt: terminalPrompt,
    log,
    nodeName: hostname().split('.', 1)[0] ?? 'localhost',
  }
  const pipe = { write: writeOut }
  const signal = abortOnSignals()
  return {
    output,
    prompt: terminalPrompt,
    clock: systemClock,
    environment,
    signal,
    host,
    pipe,
    progress,
  }
}

/** Commands among which `word` is looked up: the two that move data load nothing of the others. */
async function commandsFor(word: string | undefined): Promise<readonly Command<ClientContext>[]> {
  if (word === 'backup') return [(await import('./client/backup.ts')).backupCommand]
  if (word === 'restore') return [(await import('./client/restore.ts')).restoreCommand]
  return (await import('./client-commands.ts')).CLIENT_COMMANDS
}

stdout.on('error', () => process.exit(EXIT_FAILED))
const words = process.argv.slice(2)
const program = { name: 'cairn-client', commands: await commandsFor(words[0]) }
process.exitCode = await runProgram(program, words, openContext())
// A connection that is still ending must not hold the program; what was written is out by then.
stdout.write('', () => stderr.write('', () => process.exit()))
