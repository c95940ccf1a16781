/** What came, left or came back since the last collection, and vanished before this one (races.md R-69). */
import { strict as assert } from 'node:assert'
import { mkdir, rename } from 'node:fs/promises'
import { suite, test, type TestContext } from 'node:test'
import { DAY, forget, gc, gcStore, hasChunk, T0 } from '../../../test/support/collection.ts'
import { FaultFileSystem } from '../../../test/support/fault-file-system.ts'
import { backUp } from '../../../test/support/test-store.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { systemError } from '../../base/fs/system-error.ts'
import { silentProgress } from '../../base/progress.ts'
import { parseGroup } from '../../formats/names.ts'
import { type NamespacePath, parseNamespace, ROOT_NAMESPACE } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { moveGroup } from '../move/move-group.ts'
import { createNamespace } from '../namespaces.ts'

const A = parseNamespace('a')

async function rig(context: TestContext) {
  const faults = new FaultFileSystem(nodeFileSystem)
  const made = await gcStore(context, { fs: faults.fs })
  await createNamespace(made.store, ROOT_NAMESPACE, 'a')
  await backUp(made.store, T0, ['kept'], { group: 'host/other' })
  /** As an unmounted disk is: nothing of it is there. */
  const hide = async (path: string): Promise<void> =>
    await rename(`${made.store.path}/${path}`, `${made.folder}/elsewhere`)
  return { ...made, faults, hide }
}

async function move(store: Datastore, source: NamespacePath, target: NamespacePath): Promise<void> {
  const group = parseGroup('host/web1')
  await moveGroup(store, { source, target, group, mergeGroup: false, progress: silentProgress() })
}

const UNSAFE = {
  code: 'COLLECTION_UNSAFE',
  message: /1 snapshots that came since the last collection are gone/,
}

suite('R-69: collect()', () => {
  test('stops when a new snapshot vanished', async (context) => {
    const { store, hide } = await rig(context)
    await backUp(store, T0, ['known'])
    await gc(store)
    await backUp(store, T0 + DAY, ['known', 'new'])
    await hide('host/web1')
    // As when the next backup goes into the folder below which nothing is mounted.
    await backUp(store, T0 + 2 * DAY, ['other'])
    await assert.rejects(gc(store), UNSAFE)
    assert.ok(await hasChunk(store, 'new'))
    await gc(store, { isConfirmed: true })
    assert.equal(await hasChunk(store, 'new'), false)
    await gc(store)
  })

  test('stops when a snapshot vanished from where it was moved to', async (context) => {
    const { store, hide } = await rig(context)
    await backUp(store, T0, ['d'])
    await gc(store)
    await move(store, ROOT_NAMESPACE, A)
    await hide('ns/a/host')
    await assert.rejects(gc(store), UNSAFE)
    assert.ok(await hasChunk(store, 'd'))
  })

  test('stops when a snapshot vanished that was moved away and back', async (context) => {
    const { store, hide } = await rig(context)
    await backUp(store, T0, ['d'])
    await gc(store)
    await move(store, ROOT_NAMESPACE, A)
    await move(store, A, ROOT_NAMESPACE)
    await hide('host/web1')
    await assert.rejects(gc(store), UNSAFE)
    assert.ok(await hasChunk(store, 'd'))
  })

  test('keeps the chunks of what vanished long after a removal of it failed', async (context) => {
    const { store, faults, hide } = await rig(context)
    await backUp(store, T0, ['d'])
    faults.onStep(({ name, path }) => {
      if (name === 'rename' && path.includes('/host/web1/')) throw systemError('EROFS', name, path)
    })
    await assert.rejects(forget(store, T0), { code: 'EROFS' })
    faults.onStep(() => {})
    await gc(store)
    await hide('host/web1')
    await gc(store)
    assert.ok(await hasChunk(store, 'd'))
  })

  test('finds a new snapshot that was moved by hand', async (context) => {
    const { store } = await rig(context)
    await backUp(store, T0, ['d'])
    await mkdir(`${store.path}/ns/a/host`)
    await rename(`${store.path}/host/web1`, `${store.path}/ns/a/host/web1`)
    await gc(store)
    assert.ok(await hasChunk(store, 'd'))
  })

  test('misses nothing that was removed, moved or never finished', async (context) => {
    const { store } = await rig(context)
    await backUp(store, T0, ['d'])
    await backUp(store, T0 + DAY, ['e'])
    await move(store, ROOT_NAMESPACE, A)
    await move(store, A, ROOT_NAMESPACE)
    await forget(store, T0)
    await forget(store, T0 + DAY)
    await gc(store)
    assert.equal(await hasChunk(store, 'd'), false)
    await gc(store)
  })
})
