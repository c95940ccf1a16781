/** Which snapshots need not be verified again (datastore-semantics.md 11.1). */
import { isJsonObject } from '../../formats/json.ts'
import type { Manifest } from '../../formats/manifest.ts'
import { parseUpid } from '../../formats/upid.ts'

export interface SkipRule {
  /** False: nothing is skipped. */
  readonly ignoreVerified: boolean
  /** Days after which a verification does not count any more; absent: it counts for ever. */
  readonly outdatedAfterDays?: number | undefined
}

const SECONDS_PER_DAY = 86_400

/** Whether the last verification of the snapshot, good or not, still counts at `now` (Unix seconds). */
export function isRecentlyVerified(manifest: Manifest, rule: SkipRule, now: number): boolean {
  if (!rule.ignoreVerified) return false
  const state = manifest.unprotected['verify_state'] ?? null
  if (!isJsonObject(state) || typeof state['upid'] !== 'string') return false
  const startTime = startTimeOf(state['upid'])
  if (startTime === null) return false
  if (rule.outdatedAfterDays === undefined) return true
  return Math.floor((now - startTime) / SECONDS_PER_DAY) <= rule.outdatedAfterDays
}

/** A state that nobody understands says nothing. */
function startTimeOf(upid: string): number | null {
  try {
    return parseUpid(upid).startTime
  } catch {
    return null
  }
}
