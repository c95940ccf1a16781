/**
 * One line of the lists `active` and `archive`: `UPID` of a running task, `UPID <end %08X> <status>` of a finished one.
 * Source: rest-api.md 6.5.
 */
import { formatTaskStatus, parseTaskStatus, type TaskStatus } from '../formats/task-status.ts'
import { parseUpid, type Upid } from '../formats/upid.ts'

export interface TaskEnd {
  /** Unix seconds. */
  readonly endTime: number
  readonly status: TaskStatus
}

export interface IndexEntry {
  /** The UPID as it stands in the list. */
  readonly text: string
  readonly upid: Upid
  /** Null while the task runs. */
  readonly end: TaskEnd | null
}

/** The entry of `line`, or null if it is none. */
export function parseIndexLine(line: string): IndexEntry | null {
  const [, text, endTime, status] = /^(\S+)(?: ([0-9A-Fa-f]{1,16}) (.*))?$/.exec(line) ?? []
  if (text === undefined) return null
  try {
    const upid = parseUpid(text)
    if (endTime === undefined) return { text, upid, end: null }
    const end = { endTime: Number.parseInt(endTime, 16), status: parseTaskStatus(status ?? '') }
    return { text, upid, end }
  } catch {
    return null
  }
}

/** The line of `entry`, without line end. */
export function formatIndexLine(entry: Pick<IndexEntry, 'text' | 'end'>): string {
  if (entry.end === null) return entry.text
  const { endTime, status } = entry.end
  const time = endTime.toString(16).toUpperCase().padStart(8, '0')
  return `${entry.text} ${time} ${formatTaskStatus(status)}`
}

/** The entries of a whole list; lines that are none are left out. */
export function parseIndex(text: string): IndexEntry[] {
  return text.split('\n').flatMap((line) => parseIndexLine(line) ?? [])
}
