/** Verify, and reader sessions. */
import { silentProgress } from '../../../src/base/progress.ts'
import { beginRead } from '../../../src/datastore/sessions/begin-read.ts'
import { verifySnapshot } from '../../../src/datastore/verify/verify-snapshot.ts'
import type { Digest } from '../../../src/formats/digest.ts'
import { INDEX_NAME } from '../places.ts'
import { readDigests, wholeDigest } from '../restore.ts'
import { Violation } from '../violation.ts'
import { listVisible, openStore, type Running, UPID } from './operation.ts'

/** Some snapshots, one after the other, as a task does. */
export async function verify(running: Running): Promise<void> {
  const { world, process, random } = running
  const store = await openStore(running)
  const progress = silentProgress(process.shutdown.signal)
  for (const { key, ns, ref } of listVisible(world)) {
    if (random.chance(0.4)) continue
    const { ok: isOk } = await verifySnapshot(store, ns, ref, { progress, upid: UPID })
    world.noteVerified(key, { isOk })
  }
}

/** A restore: what it gets is what was backed up. */
export async function restore(running: Running): Promise<void> {
  const { world, random } = running
  const store = await openStore(running)
  const known = listVisible(world).filter(({ isFinished }) => isFinished)
  if (known.length === 0) return
  const { key, ns, ref } = random.pick(known)
  const reader = await beginRead(store, { ns, ref, checkOwner: null, readAheadCount: 0 })
  const live = { key, process: running.process }
  world.readers.add(live)
  try {
    const { inode } = world.machine.find(reader.path)
    for (const [name, index] of inode?.entries ?? []) {
      if (!INDEX_NAME.test(name)) continue
      const digests = readDigests(name, index.data) ?? []
      await using _file = await reader.openFile(name)
      for (const digest of digests) await readOne(running, reader, digest)
    }
  } finally {
    world.readers.delete(live)
    await reader.close()
  }
}

async function readOne(
  { world }: Running,
  reader: Awaited<ReturnType<typeof beginRead>>,
  digest: string,
): Promise<void> {
  if (world.ledger.damaged.has(digest)) return
  const chunk = await reader.readChunk(digest as Digest)
  const isRight = wholeDigest(chunk.bytes) === digest || world.ledger.damaged.has(digest)
  chunk[Symbol.dispose]()
  if (!isRight)
    world.fail(new Violation('I11', `a reader got a damaged chunk ${digest.slice(0, 8)}`))
}
