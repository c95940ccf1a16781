/**
 * A process that fills a ledger and condemns what it added, without end: `ledger-load.ts <path>`. For each batch it
 * prints the digests, in one line, when the ledger said that it is on stable storage.
 */
import { randomBytes } from 'node:crypto'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { silentLog } from '../../src/base/log.ts'
import { systemClock } from '../../src/base/time/clock.ts'
import { type Digest, digestFromBytes, DIGEST_SIZE } from '../../src/formats/digest.ts'
import { chunkKey } from '../../src/storage/bucket-chunks/chunk-keys.ts'
import { SqliteLedger } from '../../src/storage/bucket-chunks/sqlite-ledger.ts'

/** Added between two batches: so many that the log is written back now and then. */
const ADDED_COUNT = 150
const BATCH_COUNT = 60

const path = process.argv[2] ?? ''
const options = { path, clock: systemClock, log: silentLog }
const ledger = await SqliteLedger.open(nodeFileSystem, options)
const known: Digest[] = []

for (;;) {
  for (let number = 0; number < ADDED_COUNT; number += 1) {
    const digest = digestFromBytes(randomBytes(DIGEST_SIZE))
    ledger.add(digest, 4_194_304)
    known.push(digest)
  }
  const batch = known.splice(0, BATCH_COUNT)
  const keys = batch.map((digest) => chunkKey('store1', digest))
  await ledger.condemn(keys, systemClock.now())
  process.stdout.write(`${JSON.stringify(batch)}\n`)
}
