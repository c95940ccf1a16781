/** Every decoder that reads what a peer, a disk or a user wrote, with good samples for each. */
import { archiveTargets } from './archive-targets.ts'
import { authTargets } from './auth-targets.ts'
import { clientTargets } from './client-targets.ts'
import { configTargets } from './config-targets.ts'
import { extractionTarget } from './extraction-target.ts'
import { formatTargets } from './format-targets.ts'
import type { FuzzTarget } from './fuzz.ts'
import { protocolTargets } from './protocol-targets.ts'

/** All targets; `folder` is empty and theirs. Reading the samples takes a moment. */
export async function fuzzTargets(folder: string): Promise<FuzzTarget[]> {
  return [
    ...(await archiveTargets()),
    await extractionTarget(folder),
    ...(await formatTargets()),
    ...configTargets(),
    ...protocolTargets(),
    ...(await authTargets(folder)),
    ...(await clientTargets()),
  ]
}
