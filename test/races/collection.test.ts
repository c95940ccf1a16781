/** Races of the collection with everything else that src/datastore/collection/races.test.ts does not play (races.md 2, 9.9). */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { silentProgress } from '../../src/base/progress.ts'
import { systemClock } from '../../src/base/time/clock.ts'
import { Marks } from '../../src/datastore/collection/marks.ts'
import { moveGroup } from '../../src/datastore/move/move-group.ts'
import { createNamespace } from '../../src/datastore/namespaces.ts'
import type { BackupWriter } from '../../src/datastore/sessions/backup-writer.ts'
import { forgetSnapshot } from '../../src/datastore/snapshots.ts'
import { FIXED_CHUNK_SIZE } from '../../src/formats/fixed-index.ts'
import { parseGroup } from '../../src/formats/names.ts'
import { ROOT_NAMESPACE as ROOT } from '../../src/formats/namespace.ts'
import { gc, hasChunk } from '../support/collection.ts'
import { type Step, isMutating } from '../support/fault-file-system.ts'
import {
  appendArchive,
  backUp,
  begin,
  finish,
  makeChunk,
  writeArchive,
} from '../support/test-store.ts'
import {
  ARCHIVE,
  assertNothingHeld,
  assertRestores,
  backUpKnown,
  DAY_1,
  DAY_2,
  DAY_3,
  isCall,
  makeRig,
  mayOtherLock,
  refAt,
} from './rig.ts'

const opensIndex = isCall('open', '.didx')
const isChunkUnlink = isCall('unlink', '/.chunks/')
const GROUP = parseGroup('host/web1')

suite('marking', () => {
  test('R-03b: the newest snapshot is unfinished, and its base vanishes', async (context) => {
    const { store, before } = await makeRig(context)
    const first = await begin(store, DAY_1)
    await writeArchive(first, 'a.pxar.didx', ['a'])
    await writeArchive(first, 'b.pxar.didx', ['b'])
    await finish(first)
    const second = await begin(store, DAY_2)
    await second.registerPrevious('a.pxar.didx')
    await second.registerPrevious('b.pxar.didx')
    await appendArchive(second, 'a.pxar.didx', [await makeChunk('a')])
    const state = before(opensIndex, async () => {
      await appendArchive(second, 'b.pxar.didx', [await makeChunk('b')])
      await finish(second)
      await forgetSnapshot(store, ROOT, refAt(DAY_1))
    })
    await gc(store)
    assert.ok(state.ran)
    assert.ok(await hasChunk(store, 'a'))
    assert.ok(await hasChunk(store, 'b'))
  })

  test('R-03: the base of a base is pruned before it is read', async (context) => {
    const { store, before } = await makeRig(context)
    await backUp(store, DAY_1, ['d'])
    const state = before(opensIndex, async () => {
      await backUpKnown(store, DAY_2, 'd')
      await forgetSnapshot(store, ROOT, refAt(DAY_1))
      await backUpKnown(store, DAY_3, 'd')
      await forgetSnapshot(store, ROOT, refAt(DAY_2))
    })
    await gc(store)
    assert.ok(state.ran)
    await assertRestores(store, DAY_3)
  })

  test('R-04: a group that moves behind the walk keeps its chunks', async (context) => {
    const { store, before } = await makeRig(context)
    const a = await createNamespace(store, ROOT, 'a')
    await backUp(store, DAY_1, ['d'], { ns: a })
    await backUp(store, DAY_1, ['other'], { group: 'host/web2' })
    const state = before(isCall('readDir', '/ns/a'), async () => {
      const places = { source: a, target: ROOT, group: GROUP }
      await moveGroup(store, { ...places, progress: silentProgress(), mergeGroup: true })
    })
    await gc(store)
    assert.ok(state.ran)
    await assertRestores(store, DAY_1)
  })

  test('D3: a session that ends before it is seeded, behind the listing of its folder', async (context) => {
    const { store, before } = await makeRig(context)
    await backUp(store, DAY_1, ['base'])
    const writer = await begin(store, DAY_2)
    const { digest, blob, size } = await makeChunk('d')
    await writer.insertChunk(digest, blob, size)
    const state = before(opensIndex, async () => {
      await appendArchive(writer, ARCHIVE, [{ digest, size }])
      await finish(writer)
    })
    await gc(store)
    assert.ok(state.ran)
    await assertRestores(store, DAY_2)
  })

  test('D4: a clone of the base without an upload, whose base is pruned at once', async (context) => {
    const { store, before } = await makeRig(context)
    const image = await makeChunk('x'.repeat(FIXED_CHUNK_SIZE))
    const csum = createHash('sha256').update(Buffer.from(image.digest, 'hex')).digest('hex')
    const write = async (writer: BackupWriter, reuseCsum: string | null): Promise<void> => {
      const index = await writer.createFixedIndex('disk.img.fidx', { size: image.size, reuseCsum })
      if (reuseCsum === null) await index.append([image.digest], [0])
      await index.close({ chunkCount: reuseCsum === null ? 1 : 0, size: image.size, csum })
      await finish(writer)
    }
    const first = await begin(store, DAY_1)
    await first.insertChunk(image.digest, image.blob, image.size)
    await write(first, null)
    const state = before(isCall('open', '.fidx'), async () => {
      await write(await begin(store, DAY_2), csum)
      await forgetSnapshot(store, ROOT, refAt(DAY_1))
    })
    await gc(store)
    assert.ok(state.ran)
    assert.notEqual(await store.chunks.stat(image.digest), null)
  })

  test('D7: marks that share their bits keep garbage for a while and nothing else', async (context) => {
    const { store } = await makeRig(context)
    const kept = Array.from({ length: 80 }, (_value, index) => `kept ${index}`)
    const garbage = Array.from({ length: 60 }, (_value, index) => `garbage ${index}`)
    await backUp(store, DAY_1, garbage)
    await backUp(store, DAY_2, kept)
    await forgetSnapshot(store, ROOT, refAt(DAY_1))
    // The place of the marks in the digest is another one in each run; runs in one pass keep theirs for a while.
    for (let run = 0; run < 12; run += 1) {
      await gc(store, { passCount: 2 })
      await assertRestores(store, DAY_2)
    }
    for (const text of garbage) assert.equal(await hasChunk(store, text), false)
  })

  // With 17 million and more: bench/collection.ts.
  test('D8: growing takes little more memory than the marks need', () => {
    const count = 2 ** 20 + 1
    const marks = new Marks({ shared: false, offset: 2 })
    const digest = new Uint8Array(32)
    const words = new DataView(digest.buffer)
    const write = (number: number): void => {
      words.setUint32(2, Math.imul(number + 1, 0x9e3779b1))
    }
    let before = 0
    for (let number = 0; number < count; number += 1) {
      write(number)
      marks.add(digest, 0)
      if ((number & 0xffff) !== 0) continue
      const { byteLength } = marks
      // 65,536 more each time: tables that doubled all at once would show here.
      if (number > 0x30000) assert.ok(byteLength < 1.6 * before, `${byteLength} after ${before}`)
      before = byteLength
    }
    assert.equal(marks.count, count)
    for (let number = 0; number < count; number += 9973) {
      write(number)
      assert.ok(marks.has(digest, 0))
    }
    write(count)
    assert.equal(marks.has(digest, 0), false)
    assert.ok(marks.byteLength < 24 * count)
  })
})

suite('sweeping', () => {
  test('R-07, R-09: no chunk that stays is touched, and times long ago do no harm', async (context) => {
    const { store, disk } = await makeRig(context)
    await backUp(store, DAY_1, ['one', 'two'])
    for (const text of ['one', 'two']) {
      utimesSync(store.chunks.pathOf((await makeChunk(text)).digest), 0, 0)
    }
    disk.reset()
    await gc(store)
    await assertRestores(store, DAY_1)
    const written = disk.steps.filter((step) => {
      return isMutating(step) && step.path.includes('/.chunks/')
    })
    assert.deepEqual(written, [])
  })

  test('R-60: an abort while an unlink is on its way gives gate and process lock back after it', async (context) => {
    const { store, disk } = await makeRig(context)
    await backUp(store, DAY_1, ['gone'])
    await backUp(store, DAY_2, ['kept'])
    await forgetSnapshot(store, ROOT, refAt(DAY_1))
    const abort = new AbortController()
    const reached = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    disk.onStep(async (step) => {
      if (!isChunkUnlink(step)) return
      reached.resolve()
      await released.promise
    })
    const progress = { ...silentProgress(), signal: abort.signal }
    const collected = gc(store, { progress })
    await reached.promise
    abort.abort(new Error('enough'))
    const { digest, blob, size } = await makeChunk('gone')
    const writer = await begin(store, DAY_3)
    const upload = writer.insertChunk(digest, blob, size)
    // Everything that could run without the disk has run.
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(store.core.gate.tryAcquire(digest), null)
    assert.equal(await mayOtherLock(store, 'shared'), false)
    released.resolve()
    await collected.catch((error: Error) => assert.equal(error.message, 'enough'))
    assert.equal((await upload).duplicate, false)
    await writer.abort()
    assertNothingHeld(store)
  })

  test('D6: what is younger than the grace stays although no mark keeps it', async (context) => {
    const { store, before } = await makeRig(context, { settings: { gcGraceMs: 3_600_000 } })
    await backUp(store, DAY_1, ['base'])
    let writer: BackupWriter | null = null
    const state = before(isCall('readDir', '/.chunks'), async () => {
      writer = await begin(store, DAY_2)
      await writeArchive(writer, ARCHIVE, ['young'])
      await finish(writer)
    })
    await gc(store)
    assert.ok(state.ran)
    await assertRestores(store, DAY_2)
  })

  test('R-56: temporary files go when their writer must be dead, and not before', async (context) => {
    const { store, folder } = await makeRig(context)
    await backUp(store, DAY_1, ['one'])
    const path = store.chunks.pathOf((await makeChunk('one')).digest)
    const temporary = `${path}.tmp_ABCDEF`
    writeFileSync(temporary, 'half')
    await gc(store)
    assert.equal(readFileSync(temporary, 'utf8'), 'half')
    const clock = { ...systemClock, now: () => systemClock.now() + 2 * 3_600_000 }
    const later = await makeRig(context, { folder, clock })
    await gc(later.store)
    assert.equal(existsSync(temporary), false)
    await assertRestores(later.store, DAY_1)
  })

  test('D10: refused while another process has a session, and sees its index afterwards', async (context) => {
    const { store } = await makeRig(context)
    await backUp(store, DAY_1, ['d'])
    {
      await using other = await nodeFileSystem.open(`${store.path}/.lock`, 'read-write-create')
      assert.ok(other.tryLock('record', 'shared'))
      await assert.rejects(gc(store), { code: 'PROCESS_LOCK_BUSY' })
    }
    await gc(store)
    await assertRestores(store, DAY_1)
    assertNothingHeld(store)
  })

  test('R-17: no session of another process begins while it runs', async (context) => {
    const { store, before } = await makeRig(context)
    await backUp(store, DAY_1, ['d'])
    const state = before(opensIndex, async () => {
      assert.equal(await mayOtherLock(store, 'shared'), false)
    })
    await gc(store)
    assert.ok(state.ran)
    assert.equal(await mayOtherLock(store, 'shared'), true)
  })

  test('R-17: the process lock is held until the session has ended, not only its index', async (context) => {
    const { store } = await makeRig(context)
    const writer = await begin(store, DAY_1)
    await writeArchive(writer, ARCHIVE, ['d'])
    assert.equal(await mayOtherLock(store, 'exclusive'), false)
    await finish(writer)
    assert.equal(await mayOtherLock(store, 'exclusive'), true)
  })

  test('D9, R-19: killed or failing at any call, nothing is lost or stays held', async (context) => {
    const { steps } = await collectOnce(context, () => {})
    const kinds = steps.map(({ name, path }) => `${name} ${path.replaceAll(/[0-9a-f]{8,}/g, '#')}`)
    const failing = steps
      .map((_step, index) => index + 1)
      .filter((number) => {
        return kinds.indexOf(kinds[number - 1] ?? '') === number - 1
      })
    assert.ok(failing.length > 20, String(failing.length))
    for (const number of failing) {
      let count = 0
      const { store, folder } = await collectOnce(context, () => {
        count += 1
        if (count >= number) throw new Error('killed')
      })
      assertNothingHeld(store)
      await assertRestores(store, DAY_2)
      // Whoever comes after it, on the same folders.
      const next = await makeRig(context, { folder })
      await gc(next.store, { isConfirmed: true })
      await assertRestores(next.store, DAY_2)
      assert.equal(await hasChunk(next.store, 'gone'), false)
    }
  })

  test('R-58: a run that fails leaves the status of the one before', async (context) => {
    const { store, disk } = await makeRig(context)
    await backUp(store, DAY_1, ['d'])
    await gc(store)
    const status = readFileSync(`${store.path}/.gc-status`, 'utf8')
    disk.onStep((step) => {
      if (opensIndex(step)) throw new Error('failed')
    })
    await backUp(store, DAY_1, ['e'], { group: 'host/b' }).catch(() => {})
    await assert.rejects(gc(store))
    assert.equal(readFileSync(`${store.path}/.gc-status`, 'utf8'), status)
  })
})

/** A store with one chunk to remove and one to keep, collected while `onStep` may throw. */
async function collectOnce(
  context: Parameters<typeof makeRig>[0],
  onStep: () => void,
): Promise<{ steps: readonly Step[] } & Awaited<ReturnType<typeof makeRig>>> {
  const rig = await makeRig(context)
  await backUp(rig.store, DAY_1, ['gone', 'kept'])
  await backUp(rig.store, DAY_2, ['kept'])
  await forgetSnapshot(rig.store, ROOT, refAt(DAY_1))
  rig.disk.reset()
  rig.disk.onStep(onStep)
  await gc(rig.store).catch(() => {})
  rig.disk.onStep(null)
  return { ...rig, steps: rig.disk.steps }
}
