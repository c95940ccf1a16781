/** Both upgraded protocols behind one door: upgrades in, tasks and connections out, drained at the end. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { runAs } from '../base/async/current-operation.ts'
import type { Task } from '../tasks/task.ts'
import { tuneSocket } from '../transport/tls.ts'
import type { AccessLog } from './access-log.ts'
import { openBackup } from './backup/upgrade.ts'
import type { ServerContext } from './context.ts'
import { refused } from './errors.ts'
import { openReader } from './reader/upgrade.ts'
import { type ConnectionEnd, serveConnection } from './session/connection.ts'
import { HTTP2_LIMITS } from './session/limits.ts'
import type { OpenedSession } from './session/opened-session.ts'
import {
  peerAddress,
  type Refusal,
  refusalOf,
  sendRefusal,
  type SessionKind,
  sessionKindOf,
  writeRefusal,
} from './session/upgrade-request.ts'
import { parseRequestPath } from './request-path.ts'

export interface Sessions {
  /** Whether a request with an `Upgrade` header is for `handleUpgrade`. */
  readonly isUpgrade: (request: IncomingMessage) => boolean
  readonly handleUpgrade: (request: IncomingMessage, socket: Duplex, head: Uint8Array) => void
  /** Answers a session's path that asks for no upgrade; false for every other request. */
  readonly handleRequest: (request: IncomingMessage, response: ServerResponse) => boolean
  /** Sessions whose connection is open or whose end is being worked on. */
  readonly activeCount: number
  /** No new sessions; waits `graceMs` for those that run, then cuts them and waits for their clean-up. */
  drain(graceMs: number): Promise<void>
}

/** Serves sessions with `context`; each upgrade, granted or refused, is a line of `accessLog`. */
export function registerSessions(context: ServerContext, accessLog?: AccessLog): Sessions {
  return new SessionServer(context, accessLog ?? null)
}

const SWITCHING = 101

interface Connection {
  readonly socket: Duplex
  readonly head: Uint8Array
}

class SessionServer implements Sessions {
  readonly #context: ServerContext
  readonly #accessLog: AccessLog | null
  readonly #running = new Set<Promise<void>>()
  readonly #cut = new AbortController()
  #isDraining = false

  constructor(context: ServerContext, accessLog: AccessLog | null) {
    this.#context = context
    this.#accessLog = accessLog
  }

  readonly isUpgrade = (request: IncomingMessage): boolean => sessionKindOf(request) !== null

  readonly handleUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
    // Until the session listens itself, a peer that goes away must not end the process.
    socket.on('error', () => {})
    this.#track(this.#serveUpgrade(request, socket, head))
  }

  readonly handleRequest = (request: IncomingMessage, response: ServerResponse): boolean => {
    const kind = sessionKindOf(request)
    if (kind === null) return false
    const answer = async (): Promise<void> => {
      const refusal = await this.#refusePlain(request, kind)
      this.#note(request, refusal.status, refusal.body.length)
      sendRefusal(response, refusal)
    }
    this.#track(answer())
    return true
  }

  get activeCount(): number {
    return this.#running.size
  }

  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true
    const timeout = new AbortController()
    const idle = this.#idle()
    const grace = this.#context.clock.sleep(graceMs, timeout.signal).catch(() => {})
    await Promise.race([idle, grace])
    timeout.abort()
    this.#cut.abort()
    await idle
  }

  async #idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
  }

  #track(work: Promise<void>): void {
    const { log } = this.#context
    const tracked = work
      .catch((error: unknown) => log.error('session failed', { error: String(error) }))
      .finally(() => this.#running.delete(tracked))
    this.#running.add(tracked)
  }

  async #serveUpgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<void> {
    let session: OpenedSession
    try {
      session = await this.#open(request, sessionKindOf(request) ?? 'backup')
    } catch (error) {
      this.#refuse(request, socket, error)
      return
    }
    using _operation = session.operation
    try {
      await this.#run(session, request, { socket, head })
    } catch (error) {
      await session.giveUp()
      this.#refuse(request, socket, error)
    }
  }

  #refuse(request: IncomingMessage, socket: Duplex, error: unknown): void {
    const refusal = refusalOf(this.#context, error)
    this.#note(request, refusal.status, refusal.body.length)
    writeRefusal(socket, refusal, this.#context.clock.now())
  }

  #note(request: IncomingMessage, status: number, size: number): void {
    this.#accessLog?.write(request, { path: request.url ?? '', status, size })
  }

  /** Rejects only when the task could not be started; then nothing was answered yet. */
  async #run(
    session: OpenedSession,
    request: IncomingMessage,
    connection: Connection,
  ): Promise<void> {
    const { tasks } = this.#context
    const { done } = await tasks.start(session.task, async (task) => {
      await session.run(task, (options) => {
        const onUpgraded = (): void => {
          this.#note(request, SWITCHING, 0)
          options.onUpgraded()
        }
        return this.#serve(session, task, { ...options, ...connection, onUpgraded })
      })
    })
    await done
  }

  async #serve(
    session: OpenedSession,
    task: Task,
    options: Connection & Pick<Parameters<typeof serveConnection>[0], 'onUpgraded' | 'serve'>,
  ): Promise<ConnectionEnd> {
    const { socket } = options
    if ('setNoDelay' in socket) tuneSocket(socket as Parameters<typeof tuneSocket>[0])
    return await serveConnection({
      ...options,
      protocol: session.protocol,
      limits: HTTP2_LIMITS,
      now: this.#context.clock.now(),
      signal: AbortSignal.any([task.signal, this.#cut.signal]),
    })
  }

  async #open(request: IncomingMessage, kind: SessionKind): Promise<OpenedSession> {
    const path = parseRequestPath(request.url ?? '')
    if (path.kind === 'refused') throw refused(path.text, path.status)
    if (this.#isDraining) throw refused('the server is shutting down')
    const open = kind === 'backup' ? openBackup : openReader
    const peer = peerAddress(request)
    return await runAs(`${kind} session of ${peer}`, async () => await open(this.#context, request))
  }

  /** The same checks in the same order; the missing header is one of them. */
  async #refusePlain(request: IncomingMessage, kind: SessionKind): Promise<Refusal> {
    try {
      const session = await this.#open(request, kind)
      using _operation = session.operation
      await session.giveUp()
      throw refused('missing Upgrade header')
    } catch (error) {
      return refusalOf(this.#context, error)
    }
  }
}
