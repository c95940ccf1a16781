/** How far a backup or restore is: a bar on a terminal, log lines now and then otherwise. */
import { formatBytes, formatDuration } from '../base/human-units.ts'
import type { Clock } from '../base/time/clock.ts'
import type { ProgressDisplay, UploadState } from './client/common.ts'

/** The line of stock's client for uploads comes once a minute. */
const UPLOAD_LINE_MS = 60_000
/** Its line for restores comes after 5 s, then after twice as long each time, up to a minute. */
const DOWNLOAD_LINE_FIRST_MS = 5000
const DOWNLOAD_LINE_MAX_MS = 60_000
/** A bar that is drawn more often only costs time. */
const REDRAW_MS = 200
const BAR_WIDTH = 24

/** What a display needs of the terminal. */
export interface ProgressTerminal {
  readonly isTerminal: boolean
  readonly width: number
  write(text: string): void
  log(line: string): void
}

/** The display for `terminal`. */
export function openProgress(terminal: ProgressTerminal, clock: Clock): ProgressDisplay {
  return terminal.isTerminal ? new BarDisplay(terminal, clock) : new LineDisplay(terminal, clock)
}

class LineDisplay implements ProgressDisplay {
  readonly #terminal: ProgressTerminal
  readonly #clock: Clock
  readonly #started: number
  #nextUpload: number
  #nextDownload: number
  #downloadStepMs = DOWNLOAD_LINE_FIRST_MS
  #last = { at: 0, done: 0 }

  constructor(terminal: ProgressTerminal, clock: Clock) {
    this.#terminal = terminal
    this.#clock = clock
    this.#started = clock.monotonic()
    this.#nextUpload = this.#started + UPLOAD_LINE_MS
    this.#nextDownload = this.#started + DOWNLOAD_LINE_FIRST_MS
    this.#last = { at: this.#started, done: 0 }
  }

  upload(_name: string, { done, sent }: UploadState): void {
    const now = this.#clock.monotonic()
    if (now < this.#nextUpload) return
    this.#nextUpload = now + UPLOAD_LINE_MS
    const time = formatDuration((now - this.#started) / 1000)
    this.#terminal.log(`processed ${formatBytes(done)} in ${time}, uploaded ${formatBytes(sent)}`)
  }

  download(done: number, total: number): void {
    const now = this.#clock.monotonic()
    if (now < this.#nextDownload) return
    this.#downloadStepMs = Math.min(this.#downloadStepMs * 2, DOWNLOAD_LINE_MAX_MS)
    this.#nextDownload = now + this.#downloadStepMs
    const percent = Math.floor((done * 100) / total)
    const time = formatDuration((now - this.#started) / 1000)
    const rate = ((done - this.#last.done) * 1000) / Math.max(1, now - this.#last.at)
    this.#last = { at: now, done }
    this.#terminal.log(
      `progress ${percent}% (${formatBytes(done)} of ${formatBytes(total)} in ${time}, ` +
        `${formatBytes(Math.floor(rate))}/s)`,
    )
  }

  clear(): void {}
}

class BarDisplay implements ProgressDisplay {
  readonly #terminal: ProgressTerminal
  readonly #clock: Clock
  #name = ''
  #started = 0
  #next = 0
  #isShown = false

  constructor(terminal: ProgressTerminal, clock: Clock) {
    this.#terminal = terminal
    this.#clock = clock
    this.#started = clock.monotonic()
  }

  upload(name: string, { done, total }: UploadState): void {
    if (name !== this.#name) {
      this.#name = name
      this.#started = this.#clock.monotonic()
    }
    this.#draw(name, done, total)
  }

  download(done: number, total: number): void {
    this.#draw('restore', done, total)
  }

  clear(): void {
    if (this.#isShown) this.#terminal.write('\r\u001B[K')
    this.#isShown = false
  }

  #draw(name: string, done: number, total: number | null): void {
    const now = this.#clock.monotonic()
    if (now < this.#next) return
    this.#next = now + REDRAW_MS
    const seconds = Math.max(0.001, (now - this.#started) / 1000)
    const line = barLine(name, { done, total, seconds })
    this.#terminal.write(`\r${line.slice(0, this.#terminal.width - 1)}\u001B[K`)
    this.#isShown = true
  }
}

/** `root.img [####    ] 40% 1.2 GiB of 3 GiB, 210 MiB/s, 9s left`. */
export function barLine(
  name: string,
  { done, total, seconds }: { done: number; total: number | null; seconds: number },
): string {
  const rate = done / seconds
  const speed = `${formatBytes(Math.floor(rate))}/s`
  if (total === null || total === 0) return `${name} ${formatBytes(done)}, ${speed}`
  const share = Math.min(1, done / total)
  const bar = '#'.repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH)
  const left = rate === 0 ? '' : `, ${formatDuration((total - done) / rate)} left`
  const percent = `${Math.floor(share * 100)}%`.padStart(4)
  return `${name} [${bar}]${percent} ${formatBytes(done)} of ${formatBytes(total)}, ${speed}${left}`
}
