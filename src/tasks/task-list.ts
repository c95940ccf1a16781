/** The task list as REST shows it: filters, paging, members. Source: rest-api.md 4.4. */
import { formatTaskStatus } from '../formats/task-status.ts'
import type { IndexEntry } from './index-line.ts'

/** An item with its wire members. */
export interface TaskListItem {
  readonly upid: string
  readonly node: string
  readonly pid: number
  readonly pstart: number
  readonly starttime: number
  readonly worker_type: string
  readonly worker_id: string | null
  readonly user: string
  readonly endtime?: number
  readonly status?: string
}

export interface TaskFilter {
  /** Only tasks that are not OK, running ones included. */
  readonly errors?: boolean
  readonly running?: boolean
  /** Unix seconds: bounds of the start time. */
  readonly since?: number
  readonly until?: number
  readonly statusFilter?: readonly ('ok' | 'warning' | 'error' | 'unknown')[]
  /** Part of the worker type. */
  readonly typeFilter?: string
  /** Part of the auth id. */
  readonly userFilter?: string
  readonly store?: string
  readonly start?: number
  /** 0 = no limit. */
  readonly limit?: number
  /** Whether the caller may see the task. */
  readonly visible?: (item: TaskListItem) => boolean | Promise<boolean>
}

export interface TaskPage {
  readonly items: readonly TaskListItem[]
  /** Not the real total: one more than returned if there may be another page. */
  readonly total: number
}

/** Types whose worker id begins with the datastore. */
const STORE_TYPES = /^(?:verify.*|verificationjob|prune|prunejob|backup|garbage_collection)$/
/** Part of a sync job's worker id that names the local datastore. */
const SYNC_JOB_STORE_PART = 2

/** The page of `filter` out of `entries`: running tasks, then finished ones, each newest first. */
export async function listPage(
  entries: AsyncIterable<IndexEntry>,
  filter: TaskFilter,
): Promise<TaskPage> {
  const start = filter.start ?? 0
  const limit = filter.limit ?? 0
  const items: TaskListItem[] = []
  const seen = new Set<string>()
  let skipped = 0
  for await (const entry of entries) {
    if (isTooOld(entry, filter)) break
    if (seen.has(entry.text) || !matches(entry, filter)) continue
    seen.add(entry.text)
    const item = itemOf(entry)
    if (filter.visible !== undefined && !(await filter.visible(item))) continue
    if (skipped < start) {
      skipped += 1
      continue
    }
    items.push(item)
    if (limit > 0 && items.length >= limit) break
  }
  const isFull = limit > 0 && items.length >= limit
  return { items, total: start + items.length + (isFull ? 1 : 0) }
}

/** The archive goes by end time: whatever ended before `since` has nothing wanted behind it. */
function isTooOld({ end }: IndexEntry, { since }: TaskFilter): boolean {
  return since !== undefined && end !== null && end.endTime < since
}

function matches(entry: IndexEntry, filter: TaskFilter): boolean {
  const { upid, end } = entry
  const { since, until, statusFilter, store } = filter
  if (filter.running === true && end !== null) return false
  if (filter.errors === true && end?.status.kind === 'ok') return false
  if (since !== undefined && upid.startTime < since) return false
  if (until !== undefined && upid.startTime > until) return false
  if (statusFilter !== undefined && !(end !== null && statusFilter.includes(end.status.kind))) {
    return false
  }
  if (!upid.workerType.includes(filter.typeFilter ?? '')) return false
  if (!upid.authId.includes(filter.userFilter ?? '')) return false
  return store === undefined || storeOf(entry) === store
}

function storeOf({ upid }: IndexEntry): string | null {
  const parts = upid.workerId?.split(':') ?? []
  if (upid.workerType === 'syncjob') return parts[SYNC_JOB_STORE_PART] ?? null
  return STORE_TYPES.test(upid.workerType) ? (parts[0] ?? null) : null
}

function itemOf({ text, upid, end }: IndexEntry): TaskListItem {
  return {
    upid: text,
    node: 'localhost',
    pid: upid.pid,
    pstart: upid.pstart,
    starttime: upid.startTime,
    worker_type: upid.workerType,
    worker_id: upid.workerId,
    user: upid.authId,
    ...(end === null ? {} : { endtime: end.endTime, status: formatTaskStatus(end.status) }),
  }
}
