/**
 * What a pull does to a snapshot that was removed here: it is written again under its old time, with what the source has
 * now, which need not be what was here before (races.md ).
 */
import { listVisible, parseKey, type Running } from './operation.ts'
import { backUpAs } from './backup.ts'

/** The newest snapshot that was here and is gone, unless a newer one of its group is there. */
export async function resync(running: Running): Promise<void> {
  const { world, random } = running
  const visible = listVisible(world).map(({ key }) => key)
  const gone = [...world.ledger.snapshots]
    .filter(([key, { mayBeGone }]) => mayBeGone && !visible.includes(key))
    .map(([key]) => key)
    .findLast((key) => !visible.some((other) => isNewer(other, key)))
  if (gone === undefined) return
  const { ns, ref } = parseKey(gone)
  const before = world.ledger.snapshots.get(gone)?.archives ?? new Map<string, readonly string[]>()
  // As long as they were, so that nothing but the content tells them apart.
  const plans = [...before].map(([name, digests]) => {
    return { name, chunks: digests.map(() => random.below(world.chunkCount)) }
  })
  await backUpAs(running, { place: gone.slice(0, gone.lastIndexOf('/')), ns, ref, plans })
}

function isNewer(key: string, than: string): boolean {
  const group = than.slice(0, than.lastIndexOf('/'))
  return key.startsWith(`${group}/`) && key > than
}
