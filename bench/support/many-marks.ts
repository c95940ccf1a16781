/** A process of its own for a table of many marks: nanoseconds a mark and a lookup, bytes a mark, as JSON. */
import { performance } from 'node:perf_hooks'
import { Marks } from '../../src/datastore/collection/marks.ts'
import { Runs } from '../../src/datastore/collection/runs.ts'
import { SeededRandom } from './random.ts'

const DIGEST_SIZE = 32
const STEP = 100_000

const count = Number(process.argv[2])
/** As a run expects them that knows the last one. */
const capacity = Number(process.argv[3] ?? 0)
const random = new SeededRandom('marks')
const marks = new Marks({ capacity, shared: true })
let markMs = 0
let lookMs = 0
const before = process.memoryUsage().rss
for (let done = 0; done < count; done += STEP) {
  const bytes = random.bytes(STEP * DIGEST_SIZE)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const start = performance.now()
  marks.addMany({ view, start: 0, stride: DIGEST_SIZE, count: STEP }, new Runs())
  const middle = performance.now()
  markMs += middle - start
  if (done % (STEP * 10) !== 0) continue
  for (let at = 0; at < bytes.length; at += DIGEST_SIZE) marks.has(bytes, at)
  lookMs += performance.now() - middle
}
const looks = Math.ceil(count / STEP / 10) * STEP
const result = {
  count: marks.count,
  markNs: (markMs * 1e6) / count,
  lookNs: (lookMs * 1e6) / looks,
  bytes: marks.byteLength / count,
  rssBytes: (process.memoryUsage().rss - before) / count,
}
process.stdout.write(JSON.stringify(result))
