/** What a removal of groups has done, in the wire's words. */

export interface Removal {
  readonly removedGroups: number
  readonly removedSnapshots: number
  readonly protectedSnapshots: number
}

/** The statistics that 4.x answers. */
export function removalReport(removal: Removal): object {
  return {
    'removed-groups': removal.removedGroups,
    'removed-snapshots': removal.removedSnapshots,
    'protected-snapshots': removal.protectedSnapshots,
  }
}
