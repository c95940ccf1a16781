/**
 * Lists beside changes: after each kind of change, by us and by another process, the list is what a walk without
 * threads and cache gives. Once with a clock for which nothing is at rest long enough to be kept, once with one for
 * which everything is.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { lstatSync, renameSync, writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { begin, backUp, makeTestStore, UPID } from '../../test/support/test-store.ts'
import { systemClock } from '../base/time/clock.ts'
import type { Datastore } from '../datastore/datastore.ts'
import { deleteGroup, listGroups, setOwner } from '../datastore/groups.ts'
import { ownerIn } from '../datastore/listing/owner-text.ts'
import { setSnapshotNotes, setVerifyState } from '../datastore/manifest-store.ts'
import { forgetSnapshot, listSnapshots, setProtected } from '../datastore/snapshots.ts'
import { parseGroup, parseSnapshot } from '../formats/names.ts'
import { ROOT_NAMESPACE as ROOT } from '../formats/namespace.ts'
import { snapshotEntry } from './rest/admin/datastore/snapshot-entry.ts'
import { SnapshotLists } from './snapshot-lists.ts'

const DAY_1 = 1_767_225_600
const REF_1 = parseSnapshot('host/web1/2026-01-01T00:00:00Z')
const REF_2 = parseSnapshot('host/web1/2026-01-01T00:01:00Z')
const AHEAD_MS = 60_000

type Change = (store: Datastore) => Promise<unknown>

const CHANGES: readonly (readonly [name: string, change: Change])[] = [
  ['new snapshot', (store) => backUp(store, DAY_1 + 120, ['three'])],
  ['new group', (store) => backUp(store, DAY_1, ['one'], { group: 'vm/100' })],
  ['notes', (store) => setSnapshotNotes(store, ROOT, REF_1, 'first\nsecond')],
  ['other notes', (store) => setSnapshotNotes(store, ROOT, REF_1, 'other')],
  ['protection', (store) => setProtected(store, ROOT, REF_1, true)],
  ['no protection', (store) => setProtected(store, ROOT, REF_1, false)],
  ['verify state', (store) => setVerifyState(store, ROOT, REF_2, { state: 'failed', upid: UPID })],
  ['owner', (store) => setOwner(store, ROOT, parseGroup('host/web1'), 'other@pbs')],
  ['broken manifest', async (store) => replaceManifest(store, 'no manifest')],
  ['forget', (store) => forgetSnapshot(store, ROOT, REF_1)],
  [
    'removal by another process',
    async (store) => runShell('rm -r "$1"', `${store.path}/${nameOf(REF_2)}`),
  ],
  [
    'log file by another process',
    async (store) =>
      runShell('echo x > "$1/client.log.blob"', `${store.path}/vm/100/2026-01-01T00:00:00Z`),
  ],
  ['moved group', async (store) => renameSync(`${store.path}/vm/100`, `${store.path}/vm/101`)],
  [
    'removed group',
    (store) => deleteGroup(store, ROOT, parseGroup('host/web1'), { errorOnProtected: true }),
  ],
]

suite('SnapshotLists', () => {
  for (const kind of ['nothing is kept', 'everything is kept'] as const) {
    test(`every change is seen by the next list, ${kind}`, async (context) => {
      const { store } = await makeTestStore(context)
      const clock = kind === 'nothing is kept' ? systemClock : new FakeClock(Date.now() + AHEAD_MS)
      await using lists = new SnapshotLists(clock)
      await backUp(store, DAY_1, ['one'])
      await backUp(store, DAY_1 + 60, ['two'])
      assert.deepEqual(await listed(lists, store), await walked(store))
      for (const [name, change] of CHANGES) {
        if (kind === 'everything is kept') await untilClockTicks(store)
        await change(store)
        assert.deepEqual(await listed(lists, store), await walked(store), name)
      }
    })
  }

  test('a running backup shows what is there', async (context) => {
    const { store } = await makeTestStore(context)
    await using lists = new SnapshotLists(systemClock)
    const writer = await begin(store, DAY_1)
    assert.deepEqual(await listed(lists, store), await walked(store))
    await writer.abort()
    assert.deepEqual(await listed(lists, store), [])
  })
})

async function listed(lists: SnapshotLists, store: Datastore): Promise<object[]> {
  const items: object[] = []
  for await (const { owner, texts } of lists.list(store, ROOT, await listGroups(store, ROOT))) {
    for (const text of texts) items.push({ ...JSON.parse(text), owner: ownerIn(owner) })
  }
  return items
}

/** The same by the way of other doors. */
async function walked(store: Datastore): Promise<object[]> {
  const items: object[] = []
  for (const group of await listGroups(store, ROOT)) {
    const path = `${store.path}/${group.type}/${group.id}/owner`
    const owner = ownerIn(Buffer.from(await store.fs.readFile(path)).toString())
    for (const listing of await listSnapshots(store, ROOT, group)) {
      const entry = await snapshotEntry(store, ROOT, listing)
      items.push({ ...JSON.parse(JSON.stringify(entry)), owner })
    }
  }
  return items
}

/** Two changes in one tick of the kernel's clock cannot be told apart; the cache never keeps what is that young. */
async function untilClockTicks(store: Datastore): Promise<void> {
  const path = `${store.path}/.tick`
  const timeOf = () => {
    writeFileSync(path, '')
    return lstatSync(path).ctimeMs
  }
  const before = timeOf()
  while (timeOf() === before) await new Promise((resolve) => setImmediate(resolve))
}

function replaceManifest(store: Datastore, content: string): void {
  const path = `${store.path}/${nameOf(REF_2)}/index.json.blob`
  runShell('printf %s "$2" > "$1.tmp" && mv "$1.tmp" "$1"', path, content)
}

function runShell(script: string, ...values: readonly string[]): void {
  execFileSync('sh', ['-c', script, 'sh', ...values])
}

function nameOf(ref: typeof REF_1): string {
  const time = ref === REF_1 ? '2026-01-01T00:00:00Z' : '2026-01-01T00:01:00Z'
  return `host/web1/${time}`
}
