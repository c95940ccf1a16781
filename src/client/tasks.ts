/** Tasks on the server: list, stop, and following a log until its end (spec cli 4.16). */
import type { Clock } from '../base/time/clock.ts'
import type { Connection } from './connection.ts'
import { errors } from './errors.ts'
import type { Envelope } from './answer.ts'

export interface ListedTask {
  readonly upid: string
  readonly starttime: number
  readonly endtime?: number | null
  readonly status?: string
}

const TASKS = 'nodes/localhost/tasks'
/** Lines of one answer; a page that is not the last holds exactly as many. */
const PAGE_LINES = 500
const POLL_MS = 1000
/** Prefix of a line: `2026-11-21T10:00:00+00:00: ` */
const STAMP_LENGTH = 27
const STAMP_MARK = 25

export async function listTasks(
  connection: Connection,
  { limit, isRunning }: { readonly limit: number; readonly isRunning: boolean },
): Promise<readonly ListedTask[]> {
  const { data } = await connection.get(TASKS, {
    limit,
    running: isRunning,
    start: 0,
    store: connection.repository.datastore,
    userfilter: connection.authId,
  })
  return Array.isArray(data) ? (data as readonly ListedTask[]) : []
}

export async function stopTask(connection: Connection, upid: string): Promise<void> {
  await connection.delete(taskPath(upid))
}

/**
 * Hands every line of the task's log to `onLine` until the task has ended.
 * @throws TASK_FAILED when it did not end well
 */
export async function followTask(
  connection: Connection,
  upid: string,
  {
    clock,
    onLine,
    pollMs = POLL_MS,
    start: first = 1,
  }: {
    readonly clock: Clock
    readonly onLine: (line: string) => void
    /** Wait between two looks at the end of the log. */
    readonly pollMs?: number
    /** The first line that is handed over, from 1. */
    readonly start?: number
  },
): Promise<void> {
  let start = first
  for (;;) {
    const page = readPage(await readLog(connection, upid, start), start)
    for (const line of page.lines) onLine(withoutStamp(line))
    start += page.lines.length
    const isAtEnd = start > page.total
    if (!isAtEnd && page.lines.length !== PAGE_LINES) {
      const reason = `got wrong number of lines from server (${page.lines.length} != ${PAGE_LINES})`
      throw errors.TASK_LOG_INVALID({ reason })
    }
    if (isAtEnd && !page.isActive) break
    if (isAtEnd) await clock.sleep(pollMs, connection.signal)
  }
  await checkOutcome(connection, upid)
}

async function readLog(connection: Connection, upid: string, start: number): Promise<Envelope> {
  const query = { limit: PAGE_LINES, start, 'test-status': true }
  return await connection.get(`${taskPath(upid)}/log`, query)
}

async function checkOutcome(connection: Connection, upid: string): Promise<void> {
  const { data } = await connection.get(`${taskPath(upid)}/status`)
  const status = textMember(data, 'exitstatus') ?? 'unknown'
  if (status !== 'OK' && !status.startsWith('WARNINGS')) throw errors.TASK_FAILED({ status })
}

interface LogPage {
  readonly lines: readonly string[]
  readonly total: number
  readonly isActive: boolean
}

function readPage(envelope: Envelope, start: number): LogPage {
  const { data, total, active } = envelope
  if (!Array.isArray(data) || typeof total !== 'number') {
    throw errors.TASK_LOG_INVALID({ reason: 'Cannot read the task log: no lines in the answer' })
  }
  const lines = data.map((line: unknown, index) => {
    const number: unknown = isObject(line) ? Reflect.get(line, 'n') : undefined
    if (number !== start + index) {
      const reason = `got wrong line number in response data (${String(number)} != ${start + index})`
      throw errors.TASK_LOG_INVALID({ reason })
    }
    return textMember(line, 't') ?? ''
  })
  return { lines, total, isActive: active === true }
}

function withoutStamp(line: string): string {
  const hasStamp = line.length > STAMP_LENGTH && line.startsWith(': ', STAMP_MARK)
  return hasStamp ? line.slice(STAMP_LENGTH) : line
}

function taskPath(upid: string): string {
  return `${TASKS}/${encodeURIComponent(upid)}`
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function textMember(value: unknown, name: string): string | null {
  const member: unknown = isObject(value) ? Reflect.get(value, name) : undefined
  return typeof member === 'string' ? member : null
}
