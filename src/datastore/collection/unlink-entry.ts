/** Whether a file that was found loose may still go, looked at right before it does; for either engine. */
import type { LooseEntry } from './engine.ts'
import { digestPart, type EntryStat } from './list-folder.ts'

export type UnlinkOutcome = 'remove' | 'gone' | 'kept'

/** `stat` is what the file is now; `good` the chunk beside a bad one, asked only for those. */
export function decideUnlink(
  entry: LooseEntry,
  now: {
    readonly stat: EntryStat | null
    readonly good: EntryStat | null
    readonly cutoffMs: number
  },
): UnlinkOutcome {
  const { stat, good, cutoffMs } = now
  if (stat === null) return 'gone'
  if (!stat.isFile || Math.max(stat.mtimeMs, stat.ctimeMs) >= cutoffMs) return 'kept'
  // Its evidence is needed again if the good one went meanwhile.
  if (entry.isHealed && (good === null || good.size === 0)) return 'kept'
  return 'remove'
}

/** `ab12/ab12…` below `.chunks`. */
export function entryPath(folder: string, entry: { readonly name: string }): string {
  return `${folder}/${digestPart(entry.name).slice(0, 4)}/${entry.name}`
}

/** The good chunk of a bad one. */
export function goodPath(folder: string, entry: LooseEntry): string {
  return entryPath(folder, { name: digestPart(entry.name) })
}
