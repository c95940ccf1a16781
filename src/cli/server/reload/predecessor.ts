/** The side of a process that was started as a successor: the socket it takes over, and who started it. */
import { type ChildMessage, LISTEN_VARIABLE, type ParentMessage } from './messages.ts'

export class Predecessor {
  /** The listening socket. */
  readonly descriptor: number
  readonly #go = Promise.withResolvers<void>()
  #onHandOver: () => void = () => {}

  private constructor(descriptor: number) {
    this.descriptor = descriptor
    process.on('message', (message: ParentMessage) => {
      if (message === 'go') this.#go.resolve()
      else this.#onHandOver()
    })
    process.once('disconnect', () => {
      this.#go.reject(new Error('the server that started this one has ended'))
    })
    this.#go.promise.catch(() => {})
  }

  /** Who started this process; null for a start of its own. */
  static find(environment: Readonly<Record<string, string | undefined>>): Predecessor | null {
    const text = environment[LISTEN_VARIABLE]
    if (text === undefined || process.send === undefined) return null
    return new Predecessor(Number(text))
  }

  /** Whether it is still there to be asked. */
  get isConnected(): boolean {
    return process.connected
  }

  /** Resolves when this process may begin; rejects when the predecessor has ended before. */
  async untilGo(): Promise<void> {
    await this.#go.promise
  }

  tellReady(): void {
    this.#send('ready')
  }

  /** Asks it to start the next server. */
  askForReload(): void {
    this.#send('reload')
  }

  /** Called when the next server has the socket. */
  onHandOver(handler: () => void): void {
    this.#onHandOver = handler
  }

  #send(message: ChildMessage): void {
    // It may end at any moment; then nobody is to be told.
    process.send?.(message, undefined, undefined, () => {})
  }
}
