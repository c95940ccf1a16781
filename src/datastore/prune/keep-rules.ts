/**
 * Which snapshots of a group a prune keeps: the exact rules of datastore-semantics.md 10.1, pure. The one simulator
 * that the calls, the commands and the interface share.
 *
 * Each option selects its number of periods (hours, days, …), newest first, and of each the newest snapshot that no
 * earlier option has decided on. Protected ones take no place of others.
 */
import { formatBackupTime } from '../../formats/backup-time.ts'
import { type PeriodOf, periodNames } from './periods.ts'

/** How many of each kind to keep; an option that is absent or 0 keeps nothing. */
export interface KeepOptions {
  readonly last?: number | undefined
  readonly hourly?: number | undefined
  readonly daily?: number | undefined
  readonly weekly?: number | undefined
  readonly monthly?: number | undefined
  readonly yearly?: number | undefined
}

export type PruneMark = 'keep' | 'keep-partial' | 'protected' | 'remove'

/** What the rules look at. Times, Unix seconds, are unique in a group. */
export interface PruneCandidate {
  readonly time: number
  /** Whether it has a manifest. */
  readonly finished: boolean
  readonly protected: boolean
}

export interface MarkedTime {
  readonly time: number
  readonly mark: PruneMark
}

/** In the order in which they select. */
export const KEEP_NAMES = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const

/** Whether any option keeps something; a run without keeps all. */
export function keepsSomething(options: KeepOptions): boolean {
  return KEEP_NAMES.some((name) => (options[name] ?? 0) > 0)
}

/** The options as task logs print them, `--keep-last 3 --keep-daily 7`; empty for none. */
export function formatKeepOptions(options: KeepOptions): string {
  return KEEP_NAMES.filter((name) => options[name] !== undefined)
    .map((name) => `--keep-${name} ${options[name]}`)
    .join(' ')
}

/**
 * Marks the snapshots of one group, given in any order; the result is oldest first. Hours, days, weeks, months and
 * years are those of `zone`, an IANA name; the machine's own by default. A run whose options keep nothing must not
 * remove what is marked here: see `keepsSomething`.
 */
export function selectKept(
  snapshots: readonly PruneCandidate[],
  options: KeepOptions,
  zone?: string,
): readonly MarkedTime[] {
  const newestFirst = snapshots.toSorted((a, b) => b.time - a.time)
  const marks = new Map<number, PruneMark>()
  markUnfinished(newestFirst, marks)
  const names = periodNames(zone)
  for (const name of KEEP_NAMES) {
    const keep = options[name]
    if (keep === undefined) continue
    const idOf = name === 'last' ? formatBackupTime : names[name]
    select(newestFirst, marks, { keep, idOf })
  }
  return newestFirst.toReversed().map(({ time, protected: isProtected }) => ({
    time,
    mark: isProtected ? 'protected' : (marks.get(time) ?? 'remove'),
  }))
}

/** The newest unfinished one may be a running backup, unless something newer is finished. */
function markUnfinished(
  newestFirst: readonly PruneCandidate[],
  marks: Map<number, PruneMark>,
): void {
  let keepsNext = true
  for (const { time, finished } of newestFirst) {
    if (!finished) marks.set(time, keepsNext ? 'keep-partial' : 'remove')
    keepsNext = false
  }
}

function select(
  newestFirst: readonly PruneCandidate[],
  marks: Map<number, PruneMark>,
  { keep, idOf }: { readonly keep: number; readonly idOf: PeriodOf },
): void {
  const already = new Set<string>()
  for (const { time } of newestFirst) if (marks.get(time) === 'keep') already.add(idOf(time))
  const seen = new Set<string>()
  for (const { time, protected: isProtected } of newestFirst) {
    if (marks.has(time)) continue
    if (isProtected) {
      marks.set(time, 'protected')
      continue
    }
    const id = idOf(time)
    if (already.has(id)) continue
    if (seen.has(id)) {
      marks.set(time, 'remove')
      continue
    }
    if (seen.size >= keep) break
    seen.add(id)
    marks.set(time, 'keep')
  }
}
