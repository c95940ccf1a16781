/**
 * races.md R-57: whatever is written on two sides may end between them. Each operation dies at each of its steps, on
 * disk, before a request to the bucket and after it was executed; then comes a restart, and after that a refresh. What
 * was answered must be there after both; what was not may be, or not; nothing else may have changed.
 */
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { type BucketStore, HOST, makeBucketStore } from '../../../test/support/bucket-store.ts'
import { Mortality } from '../../../test/support/mortal-store.ts'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { backUp, begin, finish, STORE, writeArchive } from '../../../test/support/test-store.ts'
import { systemClock } from '../../base/time/clock.ts'
import { silentProgress } from '../../base/progress.ts'
import { encodeBlob } from '../../formats/data-blob.ts'
import { formatGroup, formatSnapshot, parseGroup } from '../../formats/names.ts'
import { joinNamespace, ROOT_NAMESPACE } from '../../formats/namespace.ts'
import { MemoryLedger } from '../../storage/bucket-chunks/memory-ledger.ts'
import { MemoryObjectStore } from '../../storage/memory-object-store.ts'
import type { Datastore } from '../datastore.ts'
import {
  deleteGroup,
  listGroups,
  readGroupNotes,
  readOwner,
  setGroupNotes,
  setOwner,
} from '../groups.ts'
import { readManifest, readSnapshotNotes, setSnapshotNotes } from '../manifest-store.ts'
import { moveGroup } from '../move/move-group.ts'
import { createNamespace, deleteNamespace, listNamespaces } from '../namespaces.ts'
import { readIndex, writeClientLog } from '../snapshot-files.ts'
import { forgetSnapshot, listSnapshots, setProtected } from '../snapshots.ts'
import { refreshStore } from './refresh.ts'

const GROUP = parseGroup('host/web1')
const DAY_1 = 1_767_225_600
const DAY_2 = DAY_1 + 86_400
const DAY_3 = DAY_2 + 86_400
const A = joinNamespace(ROOT_NAMESPACE, 'a')
const FIRST = { ...GROUP, time: DAY_1 }

const REFRESH = { progress: silentProgress(), takesOver: false, hostname: HOST }

interface Case {
  readonly name: string
  readonly run: (store: Datastore) => Promise<void>
  /** What there is in between may be more than before and after: lines that may be missing or there meanwhile. */
  readonly isSteps?: boolean
  /** A refresh may bring back what was moved away. */
  readonly isDoubled?: boolean
  /** What is here after a restart is all that a refresh shows. */
  readonly isEnded?: boolean
  /** Written here before it is in the bucket. */
  readonly isLocalFirst?: boolean
}

/** The others are between two of these, and look the same from outside. */
const STEPS = /^(?:put|copy|delete|rename|unlink|rmdir|removeTree) /

const CASES: readonly Case[] = [
  { name: 'backup', run: async (store) => await backUpOrAbort(store, 'host/web1') },
  {
    name: 'first backup of a group',
    run: async (store) => await backUpOrAbort(store, 'vm/100'),
    isSteps: true,
  },
  { name: 'client log', run: async (store) => await writeLog(store) },
  {
    name: 'owner',
    run: async (store) => await setOwner(store, ROOT_NAMESPACE, GROUP, 'other@pbs'),
  },
  {
    name: 'group notes',
    run: async (store) => await setGroupNotes(store, ROOT_NAMESPACE, GROUP, 'new'),
  },
  {
    name: 'snapshot notes',
    run: async (store) => await setSnapshotNotes(store, ROOT_NAMESPACE, FIRST, 'new'),
  },
  {
    name: 'protection',
    run: async (store) =>
      await setProtected(store, ROOT_NAMESPACE, { ...GROUP, time: DAY_2 }, true),
    isLocalFirst: true,
  },
  {
    name: 'end of protection',
    run: async (store) => await setProtected(store, ROOT_NAMESPACE, FIRST, false),
  },
  {
    name: 'new namespace',
    run: async (store) => void (await createNamespace(store, A, 'b')),
  },
  {
    name: 'forget',
    run: async (store) => await forgetSnapshot(store, ROOT_NAMESPACE, { ...GROUP, time: DAY_2 }),
    isSteps: true,
    isEnded: true,
  },
  {
    name: 'removal of a group',
    run: async (store) => void (await deleteGroup(store, A, GROUP, { errorOnProtected: true })),
    isSteps: true,
  },
  {
    name: 'removal of a namespace',
    run: async (store) =>
      void (await deleteNamespace(store, A, { deleteGroups: true, errorOnProtected: true })),
    isSteps: true,
  },
  {
    name: 'move',
    run: async (store) =>
      await moveGroup(store, {
        source: A,
        target: ROOT_NAMESPACE,
        group: parseGroup('ct/1'),
        mergeGroup: false,
        progress: silentProgress(),
      }),
    isSteps: true,
    // A crash before the old place is empty leaves it at both in the bucket.
    isDoubled: true,
  },
]

async function backUpOrAbort(store: Datastore, group: string): Promise<void> {
  const writer = await begin(store, DAY_3, { group })
  try {
    const blob = await encodeBlob(Buffer.from('a blob'), { compress: false })
    await writer.writeBlob('qemu-server.conf.blob', blob)
    await writeArchive(writer, 'root.pxar.didx', ['three', 'one', 'six'])
    await finish(writer)
  } catch (error) {
    await writer.abort().catch(() => {})
    throw error
  }
}

async function writeLog(store: Datastore): Promise<void> {
  const blob = await encodeBlob(Buffer.from('log'), { compress: false })
  await writeClientLog(store, ROOT_NAMESPACE, FIRST, blob)
}

async function fill({ store }: BucketStore): Promise<void> {
  await createNamespace(store, ROOT_NAMESPACE, 'a')
  await backUp(store, DAY_1, ['one', 'two'])
  await backUp(store, DAY_2, ['two', 'three'])
  await backUp(store, DAY_1, ['four'], { ns: A })
  await backUp(store, DAY_1, ['five'], { ns: A, group: 'ct/1' })
  await setProtected(store, ROOT_NAMESPACE, FIRST, true)
  await setGroupNotes(store, ROOT_NAMESPACE, GROUP, 'notes')
}

/** What people see of a datastore, a line each; finished snapshots with all that they need. */
async function describe(store: Datastore): Promise<string[]> {
  const lines: string[] = []
  for (const ns of await listNamespaces(store)) {
    lines.push(`namespace '${ns}'`)
    for (const group of await listGroups(store, ns)) {
      const name = `${ns}:${formatGroup(group)}`
      const owner = await readOwner(store, ns, group).catch(() => 'nobody')
      lines.push(`${name} owner ${owner}`)
      const notes = await readGroupNotes(store, ns, group)
      if (notes !== '') lines.push(`${name} notes ${notes}`)
      for (const listed of await listSnapshots(store, ns, group)) {
        const snapshot = `${ns}:${formatSnapshot(listed.ref)}`
        if (!listed.finished) {
          lines.push(`${snapshot} unfinished`)
          continue
        }
        lines.push(`${snapshot} finished`)
        if (listed.protected) lines.push(`${snapshot} protected`)
        const text = await readSnapshotNotes(store, ns, listed.ref)
        if (text !== '') lines.push(`${snapshot} notes ${text}`)
        if (listed.files.includes('client.log.blob')) lines.push(`${snapshot} log`)
        const { manifest } = await readManifest(store, ns, listed.ref)
        for (const { filename } of manifest.files) {
          const index = await readIndex(store, ns, listed.ref, filename)
          for (let position = 0; position < index.count; position += 1) {
            const { bytes, offset } = index.digestLocation(position)
            const digest = Buffer.from(bytes.subarray(offset, offset + 32)).toString('hex')
            const chunk = await store.chunks.stat(digest as never)
            assert.ok(chunk !== null, `${snapshot} lacks a chunk`)
          }
        }
      }
    }
  }
  return lines.toSorted()
}

interface Before {
  readonly rig: BucketStore
  readonly lines: readonly string[]
}

async function makeBefore(context: TestContext): Promise<Before> {
  const rig = await makeBucketStore(context)
  await fill(rig)
  const lines = await describe(rig.store)
  await rig.registry.close()
  return { rig, lines }
}

async function copyOf(context: TestContext, { rig }: Before) {
  const folder = await makeTemporaryFolder(context)
  cpSync(rig.folder, folder, { recursive: true })
  const memory = new MemoryObjectStore({ clock: systemClock })
  for (const key of rig.memory.keys) {
    const found = await rig.memory.get(key)
    memory.plant(key, found?.body ?? new Uint8Array(), found?.modifiedMs)
  }
  return { folder, memory, ledger: new MemoryLedger(rig.ledger?.snapshot()) }
}

interface Outcome {
  readonly isAnswered: boolean
  readonly steps: readonly string[]
  readonly restarted: readonly string[]
  readonly refreshed: readonly string[]
}

async function dieAt(context: TestContext, before: Before, { run }: Case, at: number) {
  const parts = await copyOf(context, before)
  const mortality = new Mortality()
  const { fs } = mortality
  const wrap = mortality.wrap.bind(mortality)
  const dying = await makeBucketStore(context, { ...parts, fs, wrap })
  mortality.plan(at)
  let isAnswered = true
  await run(dying.store).catch((error: unknown) => {
    isAnswered = false
    if (at === 0) throw error
  })
  const steps = [...mortality.steps]
  await dying.registry.close().catch(() => {})
  const next = await makeBucketStore(context, parts)
  await next.registry.recover([STORE], () => {})
  const restarted = await describe(next.store)
  await refreshStore(next.store, REFRESH)
  const refreshed = await describe(next.store)
  await next.registry.close()
  const outcome: Outcome = { isAnswered, steps, restarted, refreshed }
  return outcome
}

suite('R-57: two sides', () => {
  for (const one of CASES) {
    test(`${one.name}: dies at each step`, async (context) => {
      const before = await makeBefore(context)
      const whole = await dieAt(context, before, one, 0)
      assert.ok(whole.isAnswered)
      assert.deepEqual(whole.refreshed, whole.restarted)
      assert.notDeepEqual(whole.refreshed, before.lines)
      assert.ok(whole.steps.some((step) => step.endsWith(' (answered)')))
      for (const [index, step] of whole.steps.entries()) {
        if (!STEPS.test(step)) continue
        const outcome = await dieAt(context, before, one, index + 1)
        const where = `at ${index + 1} of ${whole.steps.length}: ${step}`
        checkOutcome(one, outcome, { before: before.lines, after: whole.refreshed }, where)
        checkSides(one, outcome, { before: before.lines, after: whole.refreshed }, where)
      }
    })
  }
})

/** What was seen here after the restart is seen after the refresh, too: added remote first, removed remote first. */
function checkSides(
  { isLocalFirst = false, isDoubled = false, isEnded = false }: Case,
  { restarted, refreshed }: Outcome,
  { before, after }: { readonly before: readonly string[]; readonly after: readonly string[] },
  where: string,
): void {
  if (isEnded) assert.deepEqual(refreshed, restarted, where)
  for (const line of after) {
    if (isLocalFirst || before.includes(line) || !restarted.includes(line)) continue
    assert.ok(refreshed.includes(line), `${where}: seen and then gone: ${line}`)
  }
  for (const line of before) {
    if (isDoubled || after.includes(line) || restarted.includes(line)) continue
    assert.ok(!refreshed.includes(line), `${where}: gone and then there again: ${line}`)
  }
}

suite('R-40: a refresh', () => {
  test('dies at each step: what it left is not collected, and another one ends it', async (context) => {
    const before = await makeBefore(context)
    for (let at = 1, count = 1; at <= count; at += 1) {
      const parts = await copyOf(context, before)
      const mortality = new Mortality()
      const { fs } = mortality
      const wrap = mortality.wrap.bind(mortality)
      const dying = await makeBucketStore(context, { ...parts, fs, wrap })
      mortality.plan(at)
      const isDone = await refreshStore(dying.store, REFRESH).then(
        () => true,
        () => false,
      )
      const step = `${at}: ${mortality.steps[at - 1]}`
      // The steps of a whole run are known only at its end.
      count = isDone ? 0 : at + 1
      await dying.registry.close().catch(() => {})
      if (!isDone && !STEPS.test(mortality.steps[at - 1] ?? '')) continue
      const next = await makeBucketStore(context, parts)
      const lines = await describe(next.store).catch(() => [])
      // A mixture is stale; who is not stale has all.
      assert.ok(next.bucket.isStale || isSame(lines, before.lines), step)
      await refreshStore(next.store, REFRESH)
      assert.equal(next.bucket.isStale, false, step)
      assert.deepEqual(await describe(next.store), before.lines, step)
      await next.registry.close()
    }
  })
})

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.join('\n') === b.join('\n')
}

function checkOutcome(
  { isSteps = false }: Case,
  outcome: Outcome,
  { before, after }: { readonly before: readonly string[]; readonly after: readonly string[] },
  where: string,
): void {
  for (const side of ['restarted', 'refreshed'] as const) {
    const lines = outcome[side]
    const text = `${where}, ${side}`
    if (outcome.isAnswered) {
      assert.deepEqual(lines, after, text)
      continue
    }
    const untouched = before.filter((line) => after.includes(line))
    for (const line of untouched) assert.ok(lines.includes(line), `${text}: lacks ${line}`)
    const changed = new Set([...before, ...after])
    const odd = lines.filter((line) => !changed.has(line) && !line.endsWith(' unfinished'))
    if (!isSteps) assert.deepEqual(odd, [], text)
    else
      assert.deepEqual(
        odd.filter((line) => !line.includes(' owner ')),
        [],
        text,
      )
  }
}
