/** What systemd is told by its notification socket; without one (`NOTIFY_SOCKET`), nothing happens. */
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import { toError } from '../../../base/errors.ts'
import { openPipe, sendDatagram } from '../../../base/fs/native-descriptors.ts'
import type { Clock } from '../../../base/time/clock.ts'

/** A manager that answers no barrier is taken not to know them. */
const BARRIER_WAIT_MS = 5_000

export interface ServiceManagerOptions {
  /** Value of `NOTIFY_SOCKET`. */
  readonly socket: string | undefined
  readonly clock: Clock
  /** Told what could not be sent. */
  readonly onError: (line: string) => void
}

export class ServiceManager {
  readonly #options: ServiceManagerOptions

  constructor(options: ServiceManagerOptions) {
    this.#options = options
  }

  /** Whether there is one: then a process may end while its successor goes on. */
  get isPresent(): boolean {
    return (this.#options.socket ?? '') !== ''
  }

  /** The server listens, or goes on after a reload that failed. */
  ready(): void {
    this.#send('READY=1')
  }

  /** A reload begins. */
  reloading(): void {
    // The kernel's monotonic clock, not time since our start.
    const now = process.hrtime.bigint() / 1000n
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${now}`)
  }

  /** `pid` is the service's process from now on; resolves when the manager has taken note of it (races.md R-20). */
  async mainProcess(pid: number): Promise<void> {
    if (!this.isPresent) return
    this.#send(`MAINPID=${pid}`)
    await this.#barrier()
  }

  #send(text: string, descriptor?: number): void {
    const { socket, onError } = this.#options
    if (socket === undefined || socket === '') return
    try {
      sendDatagram(socket, text, descriptor)
    } catch (error) {
      onError(
        `cannot tell the service manager '${text.split('\n', 1)[0]}': ${toError(error).message}`,
      )
    }
  }

  /** The manager closes the pipe's end that it is sent when it has read all before it. */
  async #barrier(): Promise<void> {
    const { read, write } = openPipe()
    this.#send('BARRIER=1', write)
    closeSync(write)
    const pipe = new Socket({ fd: read, readable: true, writable: false })
    const late = new AbortController()
    const closed = new Promise<void>((resolve) => {
      pipe.on('close', () => resolve())
      pipe.on('error', () => {})
      pipe.resume()
    })
    const wait = this.#options.clock.sleep(BARRIER_WAIT_MS, late.signal).catch(() => {})
    await Promise.race([closed, wait])
    late.abort()
    pipe.destroy()
  }
}
