/** Questions on the controlling terminal (spec cli 2.6, 2.7). */
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
  const { stdin, stderr } = process
  if (!stdin.isTTY) throw cliErrors.NO_PASSWORD_INPUT({})
  stderr.write(question)
  stdin.setRawMode(true)
  let secret = ''
  let showsStars = true
  try {
    for await (const data of stdin) {
      for (const character of String(data)) {
        if (character === CTRL_C) throw cliErrors.CANCELLED({})
        if (ENTER.includes(character)) return secret
        if (character === '\t') showsStars = false
        else if (ERASE.includes(character)) {
          if (secret !== '' && showsStars) stderr.write('\b \b')
          secret = secret.slice(0, -1)
        } else {
          secret += character
          if (showsStars) stderr.write('*')
        }
      }
    }
    return secret
  } finally {
    stdin.setRawMode(false)
    stderr.write('\n')
    stdin.pause()
  }
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
