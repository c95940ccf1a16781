/** `cairn`: puts the doors together, runs the command, sets the exit code. */
import { systemClock } from '../base/time/clock.ts'
import type { CommandContext } from './context.ts'
import { EXIT_FAILED } from './exit-codes.ts'
import { Output } from './output.ts'
import { terminalPrompt } from './prompt.ts'
import { runProgram } from './run-program.ts'
import { SERVER_COMMANDS } from './server-commands.ts'

const { stdout, stderr } = process

/** The first signal asks the command to end, the second ends at once. */
function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT_FAILED)
    controller.abort()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  return controller.signal
}

function openContext(): CommandContext {
  const environment = Object.freeze({ ...process.env })
  const output = new Output(
    {
      writeOut: (text) => stdout.write(text),
      writeError: (text) => stderr.write(text),
      width: stdout.isTTY ? stdout.columns : null,
    },
    environment,
  )
  return {
    output,
    prompt: terminalPrompt,
    clock: systemClock,
    environment,
    signal: abortOnSignals(),
  }
}

stdout.on('error', () => process.exit(EXIT_FAILED))
const program = { name: 'cairn', commands: SERVER_COMMANDS }
process.exitCode = await runProgram(program, process.argv.slice(2), openContext())
// A connection that is still ending must not hold the program; what was written is out by then.
stdout.write('', () => stderr.write('', () => process.exit()))
