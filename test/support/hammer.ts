/** Clients that connect to a server over and over, one new connection for each request. */
import { get } from 'node:https'

/** Requests at a time. */
const WIDTH = 2

export class Hammer implements AsyncDisposable {
  readonly #port: number
  readonly #failures: string[] = []
  readonly #running: Promise<void>
  #count = 0
  #isOver = false

  constructor(port: number) {
    this.#port = port
    const workers = Array.from({ length: WIDTH }, async () => await this.#work())
    this.#running = Promise.all(workers).then(() => {})
  }

  /** Stops; what failed, and how many requests were answered. */
  async end(): Promise<{ readonly failures: readonly string[]; readonly count: number }> {
    this.#isOver = true
    await this.#running
    return { failures: this.#failures, count: this.#count }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }

  async #work(): Promise<void> {
    while (!this.#isOver) {
      try {
        const status = await ping(this.#port)
        if (status !== 200) this.#failures.push(`status ${status}`)
        this.#count += 1
      } catch (error) {
        this.#failures.push(String(error))
      }
    }
  }
}

async function ping(port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const options = { port, host: '127.0.0.1', rejectUnauthorized: false, agent: false } as const
  get({ ...options, path: '/api2/json/ping' }, (response) => {
    response.resume()
    response.on('error', reject)
    response.on('end', () => resolve(response.statusCode ?? 0))
  }).on('error', reject)
  return await promise
}
