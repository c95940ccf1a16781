/** How a task ended: the status of task lists and the closing line of a task log (rest-api.md 4.4, 8). */

export type TaskStatus =
  | { readonly kind: 'ok' }
  | { readonly kind: 'warning'; readonly count: number }
  | { readonly kind: 'error'; readonly message: string }
  | { readonly kind: 'unknown' }

const STAMPED_LINE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:Z|[+-]\d{2}:\d{2}): (.*)$/s
const WARNINGS = /^WARNINGS: ([0-9]{1,15})$/

/** A status as lists and the task index hold it: `OK`, `WARNINGS: 2`, `unknown`, or the error's text. */
export function parseTaskStatus(text: string): TaskStatus {
  if (text === 'OK') return { kind: 'ok' }
  if (text === 'unknown' || text === '') return { kind: 'unknown' }
  const count = WARNINGS.exec(text)?.[1]
  if (count !== undefined) return { kind: 'warning', count: Number(count) }
  return { kind: 'error', message: text.startsWith('ERROR: ') ? text.slice(7) : text }
}

/** The text of lists and the task index: one line, whatever the error's text. */
export function formatTaskStatus(status: TaskStatus): string {
  switch (status.kind) {
    case 'ok':
      return 'OK'
    case 'warning':
      return `WARNINGS: ${status.count}`
    case 'error':
      return oneLine(status.message)
    case 'unknown':
      return 'unknown'
    default:
      return status satisfies never
  }
}

/** The status a log's last line tells, with or without its time; `unknown` if it is not a closing line. */
export function parseTaskEndLine(line: string): TaskStatus {
  const text = STAMPED_LINE.exec(line)?.[1] ?? line
  if (!text.startsWith('TASK ')) return { kind: 'unknown' }
  const status = text.slice(5)
  if (status.startsWith('ERROR: ')) return { kind: 'error', message: status.slice(7) }
  const parsed = parseTaskStatus(status)
  return parsed.kind === 'error' ? { kind: 'unknown' } : parsed
}

/** The closing line of a log, without its time: `TASK OK`, `TASK WARNINGS: 2`, `TASK ERROR: text`. */
export function formatTaskEndLine(status: TaskStatus): string {
  const prefix = status.kind === 'error' ? 'TASK ERROR: ' : 'TASK '
  return prefix + formatTaskStatus(status)
}

function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ')
}
