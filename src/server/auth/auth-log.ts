/**
 * `auth.log`: who logged in and why others were refused, in stock's lines. Source: rest-api.md 6.4.
 */
import { join } from 'node:path'
import { toError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { formatLogStamp } from '../../base/time/format.ts'
import { unixSeconds } from '../../base/time/clock.ts'
import { RotatingLog } from '../../base/fs/rotating-log.ts'
import type { ConfigFiles } from '../../config/config-files.ts'

export interface AuthFailure {
  /** Address and port, `[::1]:39266`. */
  readonly peer: string
  /** Only of logins. */
  readonly user?: string
  readonly reason: string
}

export interface AuthLog {
  success(userid: string): void
  failure(failure: AuthFailure): void
}

/** An AuthLog that keeps nothing. */
export const silentAuthLog: AuthLog = { success() {}, failure() {} }

/** Characters that would let a name forge a line; a user id has none, but what was typed may. */
const UNPRINTABLE = /\p{Cc}/gu

/** Writes `auth.log` in the log folder; a failing disk costs lines, never a login. */
export class FileAuthLog implements AuthLog {
  readonly #files: ConfigFiles
  readonly #file: RotatingLog

  constructor(files: ConfigFiles, log: Log) {
    this.#files = files
    this.#file = new RotatingLog(files.fs, join(files.paths.log, 'api', 'auth.log'), {
      onError: (error) =>
        log.error('auth.log cannot be written', { error: toError(error).message }),
    })
  }

  success(userid: string): void {
    this.#write(`successful auth for user '${userid}'`)
  }

  failure({ peer, user, reason }: AuthFailure): void {
    const who = user === undefined ? '' : `user=${user} `
    this.#write(`authentication failure; rhost=${peer} ${who}msg=${reason}`)
  }

  /** Resolves when every line so far is in the file. */
  async flush(): Promise<void> {
    await this.#file.flush()
  }

  #write(text: string): void {
    const stamp = formatLogStamp(unixSeconds(this.#files.clock))
    this.#file.append(`${stamp}: ${text.replaceAll(UNPRINTABLE, '?')}\n`)
  }
}
