/**
 * A list of 100,000 snapshots in 1,000 groups against a bare walk that reads every manifest and looks at none, and
 * the same list once more. Everything the server does but HTTP; how long the event loop was held meanwhile.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { systemClock } from '../src/base/time/clock.ts'
import type { Datastore } from '../src/datastore/datastore.ts'
import { listGroups } from '../src/datastore/groups.ts'
import { formatBackupTime } from '../src/formats/backup-time.ts'
import { encodeManifestBlob } from '../src/formats/manifest.ts'
import { parseBackupId } from '../src/formats/names.ts'
import { ROOT_NAMESPACE } from '../src/formats/namespace.ts'
import { IncrementalList, successReply } from '../src/server/reply.ts'
import { listInThreads } from '../src/server/rest/admin/datastore/listed-snapshots.ts'
import { SnapshotLists } from '../src/server/snapshot-lists.ts'
import { openLocalStore } from './support/local-store.ts'
import { median } from './support/measure.ts'
import type { Result } from './support/result.ts'

const GROUP_COUNT = 1_000
const SNAPSHOTS_PER_GROUP = 100
const DAY_1 = 1_767_225_600
const SECONDS_PER_DAY = 86_400
/** What changed less than this ago is not kept. */
const REST_MS = 3_500
const CSUM = 'ab'.repeat(32)

interface Times {
  readonly walk: number[]
  readonly first: number[]
  readonly repeated: number[]
}

export async function benchListing(folder: string, rounds: number): Promise<Result> {
  await using local = await openLocalStore(folder)
  const { store } = local
  await makeSnapshots(store.path)
  await new Promise((resolve) => setTimeout(resolve, REST_MS))
  const times: Times = { walk: [], first: [], repeated: [] }
  walkSeconds(store.path)
  let size = 0
  let heldMs = 0
  for (let round = 0; round < rounds; round++) {
    times.walk.push(walkSeconds(store.path))
    await using lists = new SnapshotLists(systemClock)
    // The walk held the loop: what it leaves is to be over.
    await new Promise((resolve) => setTimeout(resolve, 10))
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const first = await listSeconds(store, lists)
    const repeated = await listSeconds(store, lists)
    delay.disable()
    heldMs = Math.max(heldMs, delay.max / 1e6)
    times.first.push(first.seconds)
    times.repeated.push(repeated.seconds)
    size = first.size
  }
  return report(times, { size, heldMs })
}

function report(times: Times, { size, heldMs }: { size: number; heldMs: number }): Result {
  const [walk, first, repeated] = [times.walk, times.first, times.repeated].map(median)
  const row = (name: string, seconds: number) => ({ name, figures: { s: seconds.toFixed(2) } })
  return {
    title: `List of ${GROUP_COUNT * SNAPSHOTS_PER_GROUP} snapshots in ${GROUP_COUNT} groups, ${(size / 2 ** 20).toFixed(0)} MiB of JSON`,
    rows: [row('bare walk', walk ?? 0), row('first', first ?? 0), row('again', repeated ?? 0)],
    ratios: [
      {
        name: 'first / bare walk',
        value: quotient(times.first, times.walk),
        goal: 2,
        atMost: true,
      },
      {
        name: 'again / first',
        value: quotient(times.repeated, times.first),
        goal: 0.3,
        atMost: true,
      },
      { name: 'event loop held at most, ms', value: heldMs, goal: 50, atMost: true },
    ],
  }
}

function quotient(above: readonly number[], below: readonly number[]): number {
  return median(above.map((seconds, round) => seconds / (below[round] ?? Number.NaN)))
}

/** Names of all folders and the bytes of all manifests, with synchronous calls on one thread. */
export function walkSeconds(path: string): number {
  const start = performance.now()
  const type = join(path, 'host')
  for (const id of readdirSync(type)) {
    const group = `${type}/${id}`
    for (const name of readdirSync(group)) {
      if (!name.endsWith('Z')) continue
      const snapshot = `${group}/${name}`
      if (readdirSync(snapshot).includes('index.json.blob')) {
        readFileSync(`${snapshot}/index.json.blob`)
      }
    }
  }
  return (performance.now() - start) / 1000
}

export async function listSeconds(store: Datastore, lists: SnapshotLists) {
  const start = performance.now()
  const groups = await listGroups(store, ROOT_NAMESPACE)
  const place = { store: store.name, ns: ROOT_NAMESPACE, ownedOnly: false }
  const items = listInThreads(lists, store, { place, groups, authId: 'root@pam' })
  const { body } = await successReply('json', new IncrementalList(items))
  let size = 0
  if (!(body instanceof Uint8Array)) for await (const piece of body) size += piece.length
  return { seconds: (performance.now() - start) / 1000, size }
}

export async function makeSnapshots(path: string): Promise<void> {
  for (let group = 0; group < GROUP_COUNT; group++) {
    const id = parseBackupId(`host${group}`)
    const folder = join(path, 'host', id)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'owner'), 'root@pam\n')
    const blob = await encodeManifestBlob({
      backupType: 'host',
      backupId: id,
      backupTime: DAY_1,
      files: ['root.pxar.didx', 'catalog.pcat1.didx', 'disk.img.fidx'].map((filename) => ({
        filename,
        size: 123_456_789,
        csum: CSUM,
        cryptMode: 'none',
      })),
      signature: null,
      unprotected: { notes: `host ${group}`, chunk_upload_stats: { count: 17, size: 4_711 } },
    })
    for (let day = 0; day < SNAPSHOTS_PER_GROUP; day++) {
      const snapshot = join(folder, formatBackupTime(DAY_1 + day * SECONDS_PER_DAY))
      mkdirSync(snapshot)
      writeFileSync(join(snapshot, 'root.pxar.didx'), '')
      writeFileSync(join(snapshot, 'index.json.blob'), blob)
    }
  }
}
