/** What the API shows of the last garbage collection of a datastore: `.gc-status`, its job, its schedule (rest-api §4.3). */
import { nextEvent, parseCalendarEvent } from '../../../../base/time/calendar-event.ts'
import type { Clock } from '../../../../base/time/clock.ts'
import { findDatastore } from '../../../../config/datastores.ts'
import {
  emptyStatus,
  type GcStatus,
  readGcStatus as readStatus,
} from '../../../../datastore/collection/status.ts'
import type { Datastore } from '../../../../datastore/datastore.ts'
import { lastCollection, type LastRun } from '../../../collection-job.ts'
import type { ServerContext } from '../../../context.ts'

/** The status as REST shows it; zeros when there was no run or the file cannot be read. */
export async function readGcStatus(store: Datastore): Promise<GcStatus> {
  return (await readStatus(store)) ?? emptyStatus()
}

/** Figures, schedule and last run; `store` null: it cannot be opened, so that only the job is known. */
export async function gcEntry(
  context: ServerContext,
  name: string,
  store: Datastore | null,
): Promise<object> {
  const schedule = (await findDatastore(context.files, name))?.gcSchedule ?? null
  const lastRun = await lastCollection(context.files, context.tasks, name)
  const nextRun = nextRunOf(schedule, lastRun, context.clock)
  return {
    ...(store === null ? emptyStatus() : await readGcStatus(store)),
    store: name,
    ...(schedule === null ? {} : { schedule }),
    ...(nextRun === null ? {} : { 'next-run': nextRun }),
    ...lastRun,
  }
}

/** Unix seconds; from the end of the last run, so that one that was missed shows as due. */
function nextRunOf(schedule: string | null, lastRun: LastRun | null, clock: Clock): number | null {
  const event = schedule === null ? null : parseCalendarEvent(schedule)
  if (event === null) return null
  return nextEvent(event, lastRun?.['last-run-endtime'] ?? Math.floor(clock.now() / 1000))
}
