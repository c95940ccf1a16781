/** A chunk that verification takes away beside sessions that rely on it (races.md ), step by step. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import type { Digest } from '../../src/formats/digest.ts'
import { FaultFileSystem } from '../support/fault-file-system.ts'
import {
  appendArchive,
  backUp,
  begin,
  finish,
  makeChunk,
  makeTestStore,
} from '../support/test-store.ts'

const DAY_1 = 1_767_225_600
const DAY_2 = DAY_1 + 86_400
const NAME = 'root.pxar.didx'

async function makeRig(context: TestContext) {
  const disk = new FaultFileSystem(nodeFileSystem)
  const { store } = await makeTestStore(context, { fs: disk.fs })
  await backUp(store, DAY_1, ['one'])
  const chunk = await makeChunk('one')
  /** Runs `act` once, when the call `name` is about to be made on a path that ends with `end`. */
  const at = (name: string, end: string, act: () => Promise<void>): { readonly count: number } => {
    const seen = { count: 0 }
    disk.onStep(async (step) => {
      if (step.name !== name || !step.path.endsWith(end)) return
      disk.onStep(null)
      seen.count += 1
      await act()
    })
    return seen
  }
  const isBad = async (): Promise<boolean> => await Promise.resolve(true)
  const markBad = async (digest: Digest) => await store.chunks.markBad(digest, isBad)
  return { store, chunk, at, markBad }
}

/** Whether another process would get the process lock: locks of another descriptor count as another's. */
async function mayLock(store: string, mode: 'shared' | 'exclusive'): Promise<boolean> {
  await using handle = await nodeFileSystem.open(`${store}/.lock`, 'read-write-create')
  return handle.tryLock('record', mode)
}

suite('bad-marking', () => {
  // Found by the model: sessions were told only after the rename, and one could finish in between.
  test('R-32: a session that relies on a chunk does not finish while that is being renamed', async (context) => {
    const { store, chunk, at, markBad } = await makeRig(context)
    const writer = await begin(store, DAY_2)
    await writer.insertChunk(chunk.digest, chunk.blob, chunk.size)
    await appendArchive(writer, NAME, [chunk])
    const seen = at('rename', chunk.digest, async () => {
      await assert.rejects(finish(writer), /found corrupt and renamed/)
    })
    assert.notEqual(await markBad(chunk.digest), null)
    assert.equal(seen.count, 1)
    await writer.abort()
  })

  test('R-32: a session that comes to rely on a chunk while that is being renamed does not finish', async (context) => {
    const { store, chunk, at, markBad } = await makeRig(context)
    const writer = await begin(store, DAY_2)
    const seen = at('rename', chunk.digest, async () => {
      await writer.registerPrevious(NAME)
      await appendArchive(writer, NAME, [chunk])
      await assert.rejects(finish(writer), /found corrupt and renamed/)
    })
    assert.notEqual(await markBad(chunk.digest), null)
    assert.equal(seen.count, 1)
    await writer.abort()
  })

  test('R-32: a chunk renamed while its manifest gets its name takes that name back', async (context) => {
    const { store, chunk, at, markBad } = await makeRig(context)
    const writer = await begin(store, DAY_2)
    await writer.insertChunk(chunk.digest, chunk.blob, chunk.size)
    await appendArchive(writer, NAME, [chunk])
    const seen = at('rename', writer.journalId, async () => {
      assert.notEqual(await markBad(chunk.digest), null)
    })
    await assert.rejects(finish(writer), /found corrupt and renamed/)
    assert.equal(seen.count, 1)
    assert.equal(readdirSync(writer.path).includes('index.json.blob'), false)
    await writer.abort()
  })

  test('R-32: other processes stay out although the collection beside it ends', async (context) => {
    const { store, chunk, at, markBad } = await makeRig(context)
    const collection = store.core.processLock.tryExclusive()
    const mayOtherShare = async () => await mayLock(store.path, 'shared')
    const seen = at('rename', chunk.digest, async () => {
      collection.release()
      assert.equal(await mayOtherShare(), false)
    })
    assert.notEqual(await markBad(chunk.digest), null)
    assert.equal(seen.count, 1)
    assert.equal(await mayOtherShare(), true)
  })
})
