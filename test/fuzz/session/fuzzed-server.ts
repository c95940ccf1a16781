/** A handle on the fuzzed server: started, asked what it holds, ended. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { TlsTarget } from '../../../src/transport/tls.ts'
import type { ServerGreeting, ServerReport } from './server-process.ts'

const PROGRAM = join(import.meta.dirname, 'server-process.ts')
/** Sessions end within milliseconds of their connection; a loaded machine makes that seconds. */
const QUIET_TIMEOUT_MS = 60_000
/** Inputs are small: what is more than this above the start was never given back. */
const RESIDENT_GROWTH_MAX = 512 << 20
/** Log files and the like come and go. */
const DESCRIPTOR_GROWTH_MAX = 20

export class FuzzedServer implements AsyncDisposable {
  readonly greeting: ServerGreeting
  readonly target: TlsTarget
  readonly #child: ChildProcess
  readonly #first: ServerReport

  private constructor(child: ChildProcess, greeting: ServerGreeting, first: ServerReport) {
    const { port, fingerprint } = greeting
    this.#child = child
    this.greeting = greeting
    this.#first = first
    this.target = { host: '127.0.0.1', port, trust: { fingerprint } }
  }

  /** Starts a server with its data in the empty folder `folder`. */
  static async start(folder: string): Promise<FuzzedServer> {
    const child = fork(PROGRAM, [folder])
    const greeting = (await answerOf(child)) as ServerGreeting
    child.send('report')
    const server = new FuzzedServer(child, greeting, (await answerOf(child)) as ServerReport)
    child.unref()
    return server
  }

  async report(): Promise<ServerReport> {
    this.#child.send('report')
    return (await answerOf(this.#child)) as ServerReport
  }

  /** Throws unless the server soon holds nothing of any session, and has never failed itself. */
  async checkQuiet(): Promise<void> {
    const end = performance.now() + QUIET_TIMEOUT_MS
    for (;;) {
      const report = await this.report()
      if (report.failures.length > 0) throw failure('the server failed', report)
      if (isQuiet(report)) return this.#checkGrowth(report)
      if (performance.now() > end) throw failure('the server holds on to something', report)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.ref()
    this.#child.kill('SIGKILL')
    await ended
  }

  #checkGrowth(report: ServerReport): void {
    const isGrown =
      report.rss - this.#first.rss > RESIDENT_GROWTH_MAX ||
      report.descriptorCount - this.#first.descriptorCount > DESCRIPTOR_GROWTH_MAX
    if (isGrown) throw failure(`the server grew since ${JSON.stringify(this.#first)}`, report)
  }
}

function isQuiet(report: ServerReport): boolean {
  const { sessionCount, gateSize, journalSize, locks, leftovers } = report
  return sessionCount + gateSize + journalSize + locks.length + leftovers.length === 0
}

function failure(text: string, report: ServerReport): Error {
  return new Error(`${text}: ${JSON.stringify(report, null, 1)}`)
}

/** The next message; throws when the process ends instead. Keeps this process alive until then. */
async function answerOf(child: ChildProcess): Promise<unknown> {
  const over = new AbortController()
  const { signal } = over
  const ended = async (): Promise<never> => {
    const [code, killer] = await once(child, 'exit', { signal })
    throw new Error(`the server ended with ${code ?? killer}`)
  }
  const answered = async (): Promise<unknown> => (await once(child, 'message', { signal }))[0]
  child.channel?.ref()
  try {
    return await Promise.race([answered(), ended()])
  } finally {
    // Between targets nothing waits for the server.
    child.channel?.unref()
    over.abort()
  }
}
