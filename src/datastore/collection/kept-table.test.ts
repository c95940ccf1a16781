/** The table of the last run, taken as it was: only by a run that needs all of it, and only if it is undamaged. */
import { strict as assert } from 'node:assert'
import { readdir, readFile, unlink, writeFile } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import {
  aheadClock,
  DAY,
  forget,
  gc,
  gcStore,
  hasChunk,
  T0,
} from '../../../test/support/collection.ts'
import { backUp } from '../../../test/support/test-store.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { doorEngine } from './door-engine.ts'
import type { GcStatus } from './status.ts'

/** Two snapshots that one run has seen, and runs that count the marks whose places were searched again. */
async function rig(context: TestContext) {
  const { store } = await gcStore(context, {})
  await backUp(store, T0, ['a', 'b', 'c'])
  await backUp(store, T0 + DAY, ['b', 'd', 'a'])
  const searched = { count: 0 }
  const run = async (options: { readonly graceMs?: number } = {}): Promise<GcStatus> => {
    const engine = doorEngine(nodeFileSystem)
    const settings = { ...store.settings, gcGraceMs: options.graceMs ?? 0 }
    searched.count = 0
    return await gc(
      { ...store, settings, clock: aheadClock },
      {
        engine: {
          ...engine,
          restore: async (request, call) => {
            searched.count += request.wanted.reduce((sum, wanted) => sum + wanted, 0)
            return await engine.restore(request, call)
          },
        },
      },
    )
  }
  await run()
  return { store, run, searched }
}

test('a run with nothing new takes the table as it is, and so does the next', async (context) => {
  const { run, searched } = await rig(context)
  for (let time = 0; time < 2; time += 1) {
    const status = await run()
    assert.equal(status['disk-chunks'], 4)
    assert.equal(status['index-file-count'], 2)
    assert.equal(searched.count, 0)
  }
})

test('a new snapshot adds to the table that was taken', async (context) => {
  const { store, run, searched } = await rig(context)
  await backUp(store, T0 + 2 * DAY, ['d', 'e', 'c'])
  assert.equal((await run())['disk-chunks'], 5)
  assert.equal(searched.count, 0)
  assert.equal((await run())['disk-chunks'], 5)
  assert.equal(searched.count, 0)
  await forget(store, T0 + 2 * DAY)
  assert.equal((await run())['removed-chunks'], 1)
  // What the forgotten one named is left out: the table is not whole any more.
  assert.equal(searched.count, 4)
  assert.equal(await hasChunk(store, 'e'), false)
  assert.equal((await run())['disk-chunks'], 4)
})

test('a snapshot that goes with its chunks leaves garbage that a later run finds', async (context) => {
  const { store, run } = await rig(context)
  await forget(store, T0)
  assert.equal((await run({ graceMs: DAY * 1000 }))['pending-chunks'], 1)
  assert.equal((await run({ graceMs: DAY * 1000 }))['pending-chunks'], 1)
  assert.equal((await run())['removed-chunks'], 1)
  assert.equal(await hasChunk(store, 'c'), false)
})

for (const part of ['slots-', 'keys-']) {
  for (const damage of ['changed', 'cut', 'gone'] as const) {
    test(`a file ${part}… that is ${damage} costs time alone`, async (context) => {
      const { store, run, searched } = await rig(context)
      const folder = store.core.collection.folder
      const name = (await readdir(folder)).find((each) => each.startsWith(part)) ?? ''
      const bytes = await readFile(`${folder}/${name}`)
      if (damage === 'gone') await unlink(`${folder}/${name}`)
      else if (damage === 'cut') await writeFile(`${folder}/${name}`, bytes.subarray(0, -4))
      else await writeFile(`${folder}/${name}`, bytes.fill(0x5a, bytes.length - 4))
      assert.equal((await run())['disk-chunks'], 4)
      // The table was not taken: its marks came one by one, or from the indexes where the keys end too soon.
      assert.equal(searched.count, part === 'slots-' || damage === 'changed' ? 4 : 0)
      assert.ok(await hasChunk(store, 'a'))
      assert.equal((await run())['disk-chunks'], 4)
    })
  }
}

test('lists that are damaged are not continued', async (context) => {
  const { store, run } = await rig(context)
  const folder = store.core.collection.folder
  const name = (await readdir(folder)).find((each) => each.startsWith('runs-')) ?? ''
  const bytes = await readFile(`${folder}/${name}`)
  await writeFile(`${folder}/${name}`, bytes.fill(0x5a, 0, 4))
  await backUp(store, T0 + 2 * DAY, ['e'])
  assert.equal((await run())['disk-chunks'], 5)
  const names = await readdir(folder)
  assert.deepEqual(
    names.filter((each) => /^(?:runs|keys|slots)-/.test(each)),
    [],
  )
  assert.equal((await run())['disk-chunks'], 5)
  assert.equal((await run())['disk-chunks'], 5)
})
