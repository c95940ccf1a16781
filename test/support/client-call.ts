/** Recorded calls of the stock client (`test/fixtures/cli/client-*`), and the same calls of ours. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { type Clock, systemClock } from '../../src/base/time/clock.ts'
import type { ClientContext } from '../../src/cli/client/common.ts'
import { CLIENT_COMMANDS } from '../../src/cli/client-commands.ts'
import { Output } from '../../src/cli/output.ts'
import { runProgram } from '../../src/cli/run-program.ts'
import { CLIENT_VERSION } from '../../src/cli/version.ts'
import { testHost } from './client-host.ts'
import { fixturePath } from './fixture-files.ts'

const PREFIX = 'client-'
const SUFFIX = '.txt'
const PROGRAM = 'proxmox-backup-client'

export interface RecordedCall {
  /** Variables beside the common ones; null takes one away. */
  readonly environment: Readonly<Record<string, string | null>>
  readonly words: readonly string[]
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  /** The recording of standard output was cut. */
  readonly isCut: boolean
}

export interface MadeCall {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface CallOptions {
  /** The whole environment of the call. */
  readonly environment: Readonly<Record<string, string>>
  readonly clock?: Clock
  /** What the person types when asked for a line. */
  readonly answer?: string
}

/** Names of all recorded calls, without `client-` and the ending. */
export function recordedCallNames(): readonly string[] {
  const files = readdirSync(fixturePath('cli')).filter((file) => file.startsWith(PREFIX))
  return files.map((file) => file.slice(PREFIX.length, -SUFFIX.length)).toSorted()
}

/** The recorded call of this name. */
export function readCall(name: string): RecordedCall {
  const content = readFileSync(fixturePath('cli', `${PREFIX}${name}${SUFFIX}`), 'utf8')
  const match = /^\$ (.*)\nexit: (\d+)\n--- stdout\n(.*?)--- stderr\n(.*)$/s.exec(content)
  assert.ok(match, `form of ${name}`)
  const [, line = '', status = '', stdout = '', stderr = ''] = match
  const all = line.split(' ')
  const start = all.indexOf(PROGRAM)
  return {
    environment: parseVariables(all.slice(0, start)),
    words: all.slice(start + 1).map((word) => (word === "''" ? '' : word)),
    status: Number(status),
    stdout,
    stderr: stderr.replace(/\n?$/, stderr === '' ? '' : '\n'),
    isCut: content.includes('<cut here>'),
  }
}

/** `NAME=VALUE` each; values with blanks were recorded without quotes. */
function parseVariables(words: readonly string[]): Record<string, string | null> {
  const variables = words.join(' ').split(/ (?=[A-Z_]+=)/)
  const pairs = variables
    .filter((text) => text !== '')
    .map((text) => {
      const equals = text.indexOf('=')
      const value = text.slice(equals + 1)
      return [text.slice(0, equals), value === '<unset>' ? null : value] as const
    })
  return Object.fromEntries(pairs)
}

/** `changes` over `common`: null takes a variable away. */
export function mergedEnvironment(
  common: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string | null>>,
): Readonly<Record<string, string>> {
  const known = Object.entries({ ...common, ...changes }).filter(([, value]) => value !== null)
  return Object.fromEntries(known) as Readonly<Record<string, string>>
}

/** Runs our client in this process; bytes for the target `-` are shown as text in `stdout`. */
export async function makeCall(words: readonly string[], options: CallOptions): Promise<MadeCall> {
  const { environment, clock = systemClock, answer = '' } = options
  const out: Buffer[] = []
  let stderr = ''
  const streams = {
    writeOut: (text: string) => out.push(Buffer.from(text)),
    writeError: (text: string) => (stderr += text),
    width: null,
  }
  const output = new Output(streams, environment)
  const plain = testHost(environment)
  const prompt = {
    ...plain.prompt,
    askLine: (question: string, where: 'out' | 'error') => {
      if (where === 'out') streams.writeOut(question)
      else streams.writeError(question)
      return Promise.resolve(answer)
    },
  }
  const host = { ...plain, clock, prompt, log: (line: string) => output.log(line) }
  const context: ClientContext = {
    output,
    prompt,
    clock,
    environment,
    signal: new AbortController().signal,
    host,
    pipe: {
      write: async (bytes) => {
        out.push(Buffer.from(bytes))
        await Promise.resolve()
      },
    },
    progress: { upload() {}, download() {}, clear() {} },
  }
  const program = { name: 'cairn-client', commands: CLIENT_COMMANDS }
  const status = await runProgram(program, words, context)
  return { status, stdout: shownText(Buffer.concat(out)), stderr }
}

/** UTF-8, with bytes that are none as `\xNN`, as the recorder wrote them. */
function shownText(bytes: Buffer): string {
  const whole = bytes.toString('utf8')
  if (Buffer.from(whole).equals(bytes)) return whole
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const size = [1, 2, 3, 4].find((size) => isCharacter(bytes.subarray(at, at + size))) ?? 0
    text +=
      size === 0 ? `\\x${bytes.toString('hex', at, at + 1)}` : bytes.toString('utf8', at, at + size)
    at += size === 0 ? 1 : size
  }
  return text
}

function isCharacter(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString('utf8')).equals(bytes)
}

/** Without what says which program this is. */
export function withoutVersion(text: string): string {
  const { version, release, repoid } = CLIENT_VERSION
  return text
    .replace(`client version: ${version}.${release}`, 'client version: 4.2.3')
    .replace(/("client": ?\{)[^}]*(\})/, '$1$2')
    .replaceAll(repoid, 'REPO')
}
