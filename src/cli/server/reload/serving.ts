/**
 * The life of a server that can be reloaded (datastore-semantics.md 18): it serves, starts its successor, and ends its
 * sessions when that one has the listening socket, which is never closed.
 *
 * Under a service manager each process ends when it has nothing left to do. Elsewhere (a shell, a container) somebody
 * waits for the process that was started first: it stays, starts every later one, and ends with the last of them.
 */
import { randomBytes } from 'node:crypto'
import { closeSync } from 'node:fs'
import { toError } from '../../../base/errors.ts'
import type { FileSystem } from '../../../base/fs/file-system.ts'
import { duplicateDescriptor } from '../../../base/fs/native-descriptors.ts'
import { writeProcessId } from '../../../server/process-id-file.ts'
import type { RunningServer } from '../../../server/server.ts'
import type { Predecessor } from './predecessor.ts'
import type { ServiceManager } from './service-manager.ts'
import { writeServingState } from './serving-place.ts'
import { Successor } from './successor.ts'

/** A successor as it is used here. */
export type StartedServer = Pick<Successor, keyof Successor>

export interface ServingOptions {
  readonly server: RunningServer
  readonly fs: FileSystem
  /** The run folder. */
  readonly run: string
  readonly manager: ServiceManager
  readonly predecessor: Predecessor | null
  /** Aborted when the server is to end. */
  readonly signal: AbortSignal
  readonly graceMs: number
  readonly log: (line: string) => void
  /** Starts a successor on the listening socket; for tests. */
  readonly start?: (descriptor: number, onReload: () => void) => Promise<StartedServer>
}

export class Serving {
  readonly #options: ServingOptions
  /** Our own hold of the listening socket, for successors; null when it is closed. */
  #socket: number | null
  readonly #successors = new Set<StartedServer>()
  /** Who serves; null is this process. */
  #current: StartedServer | null = null
  #reloading: Promise<void> | null = null
  /** How the last one who served ended. */
  #lastStatus = 0
  readonly #handedOver = new AbortController()

  constructor(options: ServingOptions) {
    this.#options = options
    const { descriptor } = options.server
    this.#socket = descriptor === null ? null : duplicateDescriptor(descriptor)
    options.predecessor?.onHandOver(() => this.#handedOver.abort())
  }

  /** Starts a successor; whoever started us does, if he is there. Errors are logged: the server goes on as it is. */
  reload(): void {
    const { predecessor, manager, signal } = this.#options
    if (signal.aborted) return
    if (!manager.isPresent && !this.#isKeeper) {
      predecessor?.askForReload()
      return
    }
    this.#reloading ??= this.#reload().finally(() => {
      this.#reloading = null
    })
  }

  /** Serves until the end; the exit status. */
  async run(): Promise<number> {
    const { server, signal, graceMs, log, manager, predecessor } = this.#options
    await this.#report(null, process.pid)
    manager.ready()
    predecessor?.tellReady()
    await aborted(AbortSignal.any([signal, this.#handedOver.signal]))
    if (signal.aborted) {
      log('ending: running sessions may finish, a second signal ends at once')
      this.#endSuccessors('SIGTERM')
      // It gives our name back to the pid file, which goes at the end.
      await this.#reloading
      await server.close({ graceMs })
    } else {
      log(`process ${process.pid} ends its sessions: another one serves`)
      if (!this.#isKeeper) this.#closeSocket()
      await server.handOver({ signal, graceMs })
    }
    return await this.#outlive()
  }

  async #reload(): Promise<void> {
    const { log, manager, start = startSuccessor } = this.#options
    const previous = this.#current
    manager.reloading()
    let successor: StartedServer | null = null
    try {
      if (this.#socket === null) throw new Error('there is no listening socket')
      successor = await start(this.#socket, () => this.reload())
      this.#watch(successor)
      await this.#begin(successor)
      await successor.untilReady()
    } catch (error) {
      const { message } = toError(error)
      log(`reload failed, process ${this.#pidOf(previous)} goes on: ${message}`)
      await this.#takeBack(previous, successor)
      await this.#report(message, this.#pidOf(previous))
      return
    }
    this.#current = successor
    if (previous === null) this.#handedOver.abort()
    else previous.handOver()
  }

  /** In the order of races.md R-20: pid file, service manager, its barrier, and only then the new process runs. */
  async #begin(successor: StartedServer): Promise<void> {
    const { signal } = this.#options
    await this.#nameMain(successor.pid)
    if (signal.aborted) successor.kill('SIGTERM')
    else successor.go()
  }

  /**
   * The name first: a manager that sees its main process end takes the service for ended. Whoever lives then must not
   * run beside us, also when the name cannot be given back.
   */
  async #takeBack(previous: StartedServer | null, successor: StartedServer | null): Promise<void> {
    const { log, manager } = this.#options
    try {
      await this.#nameMain(this.#pidOf(previous))
    } catch (error) {
      log(`cannot name process ${this.#pidOf(previous)} again: ${toError(error).message}`)
    }
    successor?.kill('SIGKILL')
    manager.ready()
  }

  #watch(successor: StartedServer): void {
    this.#successors.add(successor)
    void successor.ended.then((status) => {
      this.#successors.delete(successor)
      if (successor !== this.#current) return
      // Nobody serves any more: whoever watches us is to see it.
      if (status !== 0) this.#options.log(`process ${successor.pid} ended with status ${status}`)
      this.#lastStatus = status
      this.#endSuccessors('SIGTERM')
    })
  }

  async #nameMain(pid: number): Promise<void> {
    const { fs, run, manager } = this.#options
    await writeProcessId(fs, { run, pid })
    await manager.mainProcess(pid)
  }

  /** Without a service manager: the process that was started first ends last. */
  async #outlive(): Promise<number> {
    const { manager, signal } = this.#options
    const stop = (): void => this.#endSuccessors('SIGTERM')
    if (manager.isPresent && !signal.aborted) {
      // The manager watches it.
      for (const successor of this.#successors) successor.release()
      return 0
    }
    process.once('exit', () => this.#endSuccessors('SIGKILL'))
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    while (this.#successors.size > 0) {
      await Promise.all([...this.#successors].map(async ({ ended }) => await ended))
    }
    this.#closeSocket()
    return this.#lastStatus
  }

  /** Whether nobody else starts our successors and waits for them. */
  get #isKeeper(): boolean {
    const { manager, predecessor } = this.#options
    return !manager.isPresent && predecessor?.isConnected !== true
  }

  #closeSocket(): void {
    if (this.#socket === null) return
    closeSync(this.#socket)
    this.#socket = null
  }

  #endSuccessors(signal: NodeJS.Signals): void {
    for (const successor of this.#successors) successor.kill(signal)
  }

  #pidOf(successor: StartedServer | null): number {
    return successor?.pid ?? process.pid
  }

  async #report(error: string | null, pid: number): Promise<void> {
    const { fs, run, server } = this.#options
    const { host, port } = server
    const report = randomBytes(8).toString('hex')
    await writeServingState(fs, run, { pid, error, report, host, port })
  }
}

async function startSuccessor(descriptor: number, onReload: () => void): Promise<StartedServer> {
  return await Successor.start(descriptor, onReload)
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
}
