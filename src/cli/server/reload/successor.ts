/** A server that this process has started: told when to begin, asked to end, watched. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  type ChildMessage,
  LISTEN_DESCRIPTOR,
  LISTEN_VARIABLE,
  type ParentMessage,
} from './messages.ts'

export class Successor {
  readonly pid: number
  /** The exit status; 1 for one that was killed. */
  readonly ended: Promise<number>
  readonly #child: ChildProcess
  readonly #ready = Promise.withResolvers<void>()

  private constructor(child: ChildProcess, pid: number, onReload: () => void) {
    this.pid = pid
    this.#child = child
    child.on('message', (message: ChildMessage) => {
      if (message === 'ready') this.#ready.resolve()
      else onReload()
    })
    this.#ready.promise.catch(() => {})
    this.ended = once(child, 'exit').then(([status]) => {
      this.#ready.reject(new Error(`the new server has ended with status ${status}`))
      return typeof status === 'number' ? status : 1
    })
  }

  /**
   * Starts the program of this process anew, with the same arguments and the listening socket `descriptor`; it waits
   * for `go`. It leads a session of its own: signals of the terminal reach it through us.
   */
  static async start(descriptor: number, onReload: () => void): Promise<Successor> {
    const args = [...process.execArgv, ...process.argv.slice(1)]
    const child = spawn(process.execPath, args, {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', descriptor, 'ipc'],
      env: { ...process.env, [LISTEN_VARIABLE]: String(LISTEN_DESCRIPTOR) },
    })
    if (child.pid === undefined) {
      const [error] = await once(child, 'error')
      throw error
    }
    child.on('error', () => {})
    return new Successor(child, child.pid, onReload)
  }

  go(): void {
    this.#send('go')
  }

  /** Resolves when it listens; rejects when it has ended instead. */
  async untilReady(): Promise<void> {
    await this.#ready.promise
  }

  /** Another server has the socket: it is to end its sessions. */
  handOver(): void {
    this.#send('hand-over')
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Nobody waits for it any more: this process may end before it. */
  release(): void {
    if (this.#child.connected) this.#child.disconnect()
    this.#child.unref()
  }

  #send(message: ParentMessage): void {
    if (this.#child.connected) this.#child.send(message, () => {})
  }
}
