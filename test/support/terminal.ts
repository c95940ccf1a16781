/** A program on a pseudo-terminal, by `script` of util-linux: what it shows, what a person types. */
import { spawn, spawnSync } from 'node:child_process'

const RUN_TIME_MAX_MS = 200_000

export interface TerminalRun {
  readonly status: number | null
  /** Everything that the terminal got, in order. */
  readonly shown: string
}

export interface Terminal {
  /** Resolves when the terminal shows `pattern` after what was waited for before. */
  waitFor(pattern: RegExp): Promise<void>
  type(text: string): void
  /** The end of the program. */
  readonly ended: Promise<TerminalRun>
}

/** Why there is no terminal here; false if there is. */
export function terminalMissing(): string | false {
  const { status } = spawnSync('script', ['--version'])
  return status === 0 ? false : 'needs the program `script` (bsdutils)'
}

/** Starts the words of `command` on a terminal of `columns`. */
export function openTerminal(
  command: readonly string[],
  options: {
    readonly cwd: string
    readonly environment: Readonly<Record<string, string | undefined>>
    readonly columns?: number
  },
): Terminal {
  const words = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
  const line = `stty cols ${options.columns ?? 80}; exec ${words}`
  const child = spawn('script', ['-q', '-e', '-c', line, '/dev/null'], {
    cwd: options.cwd,
    env: { ...options.environment, SHELL: '/bin/sh', TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let shown = ''
  let seen = 0
  let isOver = false
  let news = Promise.withResolvers<void>()
  const tell = (): void => {
    news.resolve()
    news = Promise.withResolvers<void>()
  }
  child.stdout.on('data', (data: Buffer) => {
    shown += data.toString('utf8')
    tell()
  })
  // A program that waits for another answer than the test gives must end the test.
  const watchdog = setTimeout(() => child.kill('SIGKILL'), RUN_TIME_MAX_MS)
  const { promise, resolve, reject } = Promise.withResolvers<TerminalRun>()
  child.once('error', reject)
  child.once('close', (status) => {
    clearTimeout(watchdog)
    isOver = true
    tell()
    resolve({ status, shown })
  })
  return {
    async waitFor(pattern) {
      for (;;) {
        const match = pattern.exec(shown.slice(seen))
        if (match !== null) {
          seen += match.index + match[0].length
          return
        }
        if (isOver) throw new Error(`the program ended before it showed ${pattern}:\n${shown}`)
        await news.promise
      }
    },
    type: (text) => child.stdin.write(text),
    ended: promise.finally(() => child.stdin.destroy()),
  }
}
