/** `access.log`: one line a request, in stock's form (rest-api §6.4). */
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { toError } from '../base/errors.ts'
import { RotatingLog } from '../base/fs/rotating-log.ts'
import { unixSeconds } from '../base/time/clock.ts'
import { formatLogStamp } from '../base/time/format.ts'
import type { ServerContext } from './context.ts'
import { loggedUrl } from './logged-url.ts'

const AGENT_LENGTH_MAX = 128
const PATH_LENGTH_MAX = 3072

/** Who made which request: filled in by the endpoint once it knows. */
const callers = new WeakMap<IncomingMessage, string>()

/** Remembers the auth id of `request` for its line. */
export function noteCaller(request: IncomingMessage, authId: string): void {
  callers.set(request, authId)
}

export interface AccessLogAnswer {
  /** As sent, with query; secrets are taken out of the line. */
  readonly path: string
  readonly status: number
  /** Bytes of the body; 0 when that is not known (streams, deflated answers). */
  readonly size: number
}

export class AccessLog {
  readonly #context: ServerContext
  readonly #file: RotatingLog

  constructor(context: ServerContext) {
    const { fs, paths, log } = context
    this.#context = context
    this.#file = new RotatingLog(fs, join(paths.log, 'api', 'access.log'), {
      onError: (error) =>
        log.error('access.log cannot be written', { error: toError(error).message }),
    })
  }

  /** Adds the line of an answered request. */
  write(request: IncomingMessage, answer: AccessLogAnswer): void {
    const { path, status, size } = answer
    const peer = request.socket.remoteAddress ?? '-'
    const address = peer.includes(':') ? peer : `::ffff:${peer}`
    const stamp = accessStamp(unixSeconds(this.#context.clock))
    const agent = request.headers['user-agent']?.slice(0, AGENT_LENGTH_MAX) ?? '-'
    const line =
      `${address} - ${callers.get(request) ?? '-'} [${stamp}] ` +
      `"${request.method ?? '-'} ${loggedUrl(path).slice(0, PATH_LENGTH_MAX)}" ` +
      `${status} ${size} ${agent}\n`
    this.#file.append(line)
  }

  /** Resolves when every line so far is in the file. */
  async flush(): Promise<void> {
    await this.#file.flush()
  }
}

/** `21/11/2026:11:00:00 +0100`, in local time. */
function accessStamp(time: number): string {
  const [date = '', rest = ''] = formatLogStamp(time).split('T')
  const [year, month, day] = date.split('-')
  return `${day}/${month}/${year}:${rest.slice(0, 8)} ${rest.slice(8).replace(':', '')}`
}
