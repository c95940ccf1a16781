/** `cairn`: puts the doors together, runs the command, sets the exit code. */
import { closeSync, openSync } from 'node:fs'
import { systemClock } from '../base/time/clock.ts'
import type { CommandContext } from './context.ts'
import { EXIT_FAILED } from './exit-codes.ts'
import { Output } from './output.ts'
import { terminalPrompt } from './prompt.ts'
import { runProgram } from './run-program.ts'
import { SERVER_COMMANDS } from './server-commands.ts'

const { stdout, stderr } = process

/** The first signal asks the command to end, the second ends at once; SIGHUP may be taken for something else. */
function watchSignals(): Pick<CommandContext, 'signal' | 'takeHangUps'> {
  const controller = new AbortController()
  let onHangUp: (() => void) | null = null
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT_FAILED)
    controller.abort()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal)
  process.on('SIGHUP', () => {
    if (onHangUp === null || isTerminalGone()) onSignal()
    else onHangUp()
  })
  return {
    signal: controller.signal,
    takeHangUps: (handler) => {
      onHangUp = handler
    },
  }
}

const hadTerminal = hasTerminal()

/** A terminal that closes says so by SIGHUP, too: who lived in it ends. */
function isTerminalGone(): boolean {
  return hadTerminal && !hasTerminal()
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
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
    ...watchSignals(),
  }
}

stdout.on('error', () => process.exit(EXIT_FAILED))
const program = { name: 'cairn', commands: SERVER_COMMANDS }
process.exitCode = await runProgram(program, process.argv.slice(2), openContext())
// A connection that is still ending must not hold the program; what was written is out by then.
stdout.write('', () => stderr.write('', () => process.exit()))
