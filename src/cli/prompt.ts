/** Questions on the controlling terminal (spec cli 2.6, 2.7). */
import { closeSync, openSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { cliErrors } from './errors.ts'

/** The door to the person in front of the machine; `terminalPrompt` is the real one. */
export interface Prompt {
  /** Whether standard input is a terminal. */
  readonly isInteractive: boolean
  /** A line shown as asterisks while it is typed. @throws NO_PASSWORD_INPUT, CANCELLED */
  askSecret(question: string): Promise<string>
  /** A line of standard input, also when it is a pipe; null at its end. */
  askLine(question: string, where: 'out' | 'error'): Promise<string | null>
}

const CTRL_C = '\u0003'
const CTRL_D = '\u0004'
const ENTER: readonly string[] = ['\r', '\n', CTRL_D]
const ERASE: readonly string[] = ['\u007f', '\b']

/** The terminal (or pipe) behind standard input. */
export const terminalPrompt: Prompt = {
  get isInteractive() {
    return process.stdin.isTTY
  },
  askSecret: readSecret,
  askLine: async (question, where) => {
    const stream = where === 'out' ? process.stdout : process.stderr
    stream.write(question)
    return await readLine()
  },
}

/** Reads raw characters: asterisks instead of them, Tab turns those off, Ctrl-C gives up. */
async function readSecret(question: string): Promise<string> {
  const { stdin } = process
  if (!stdin.isTTY) throw cliErrors.NO_PASSWORD_INPUT({})
  using terminal = openTerminal()
  // First: what is typed at once after the question must not be shown either.
  stdin.setRawMode(true)
  terminal.write(question)
  let secret = ''
  let showsStars = true
  try {
    // The next question reads from it again.
    for await (const data of stdin.iterator({ destroyOnReturn: false })) {
      for (const character of String(data)) {
        if (character === CTRL_C) throw cliErrors.CANCELLED({})
        if (ENTER.includes(character)) return secret
        if (character === '\t') showsStars = false
        else if (ERASE.includes(character)) {
          if (secret !== '' && showsStars) terminal.write('\b \b')
          secret = secret.slice(0, -1)
        } else {
          secret += character
          if (showsStars) terminal.write('*')
        }
      }
    }
    return secret
  } finally {
    stdin.setRawMode(false)
    terminal.write('\n')
    stdin.pause()
  }
}

/** The controlling terminal: standard error may go to a file. */
function openTerminal(): Disposable & { write(text: string): void } {
  if (process.stderr.isTTY) {
    return { write: (text) => process.stderr.write(text), [Symbol.dispose]() {} }
  }
  const fd = openSync('/dev/tty', 'w')
  return { write: (text) => writeSync(fd, text), [Symbol.dispose]: () => closeSync(fd) }
}

async function readLine(): Promise<string | null> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silent, terminal: false })
  try {
    for await (const line of lines) return line
    return null
  } finally {
    lines.close()
    process.stdin.pause()
  }
}
