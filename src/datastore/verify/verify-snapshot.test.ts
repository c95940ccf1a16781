import assert from 'node:assert/strict'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { backUp, begin, makeChunk, makeTestStore, UPID } from '../../../test/support/test-store.ts'
import { FaultFileSystem } from '../../../test/support/fault-file-system.ts'
import { ForeignLock, foreignLockMissing } from '../../../test/support/foreign-lock.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { systemError } from '../../base/fs/system-error.ts'
import { silentProgress } from '../../base/progress.ts'
import { parseSnapshot } from '../../formats/names.ts'
import { ROOT_NAMESPACE } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { verifySnapshot } from './verify-snapshot.ts'

const DAY_1 = 1_767_225_600
const REF = parseSnapshot('host/web1/2026-01-01T00:00:00Z')

async function verify(store: Datastore): Promise<{ ok: boolean; lines: string[] }> {
  const lines: string[] = []
  const progress = { ...silentProgress(), log: (line: string) => void lines.push(line) }
  const { ok } = await verifySnapshot(store, ROOT_NAMESPACE, REF, { progress, upid: UPID })
  return { ok, lines }
}

suite('verifySnapshot()', () => {
  test('a corrupt chunk is reported, renamed, and healed by the next upload', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one', 'two', 'one'])
    const { digest, blob } = await makeChunk('two')
    const path = store.chunks.pathOf(digest)
    const broken = Buffer.from(blob)
    broken[broken.length - 1]! ^= 1
    writeFileSync(path, broken)
    const { ok, lines } = await verify(store)
    assert.equal(ok, false)
    const name = 'store1:host/web1/2026-01-01T00:00:00Z'
    assert.deepEqual(
      lines.map((line) => line.replaceAll(/\d+\.\d\d/g, 'N')),
      [
        `verify ${name}`,
        '  check root.pxar.didx',
        `can't verify chunk, load failed - store 'store1', unable to load chunk '${digest}' - Data blob has wrong CRC checksum.`,
        `corrupt chunk renamed to "${path}.0.bad"`,
        '  verified N/N MiB in N seconds, speed N/N MiB/s (1 errors)',
        `verify ${name}/root.pxar.didx failed: chunks could not be verified`,
      ],
    )
    assert.equal(existsSync(path), false)
    await backUp(store, DAY_1 + 60, ['two'])
    assert.equal((await verify(store)).ok, true)
  })

  test('wrong content under a right checksum is found', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    const { digest } = await makeChunk('one')
    writeFileSync(store.chunks.pathOf(digest), (await makeChunk('two')).blob)
    const { ok, lines } = await verify(store)
    assert.equal(ok, false)
    assert.ok(lines.includes('detected chunk with wrong digest.'))
    assert.ok(existsSync(`${store.chunks.pathOf(digest)}.0.bad`))
  })

  test('R-31: a chunk that was healed since it was read is not renamed', async (context) => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const { store } = await makeTestStore(context, { fs: faults.fs })
    await backUp(store, DAY_1, ['one'])
    const { digest, blob } = await makeChunk('one')
    const path = store.chunks.pathOf(digest)
    writeFileSync(path, new Uint8Array(20))
    let readCount = 0
    faults.onStep((step) => {
      if (step.name !== 'readFile' || step.path !== path) return
      readCount += 1
      // Between the verdict and the look under the gate.
      if (readCount === 2) writeFileSync(path, blob)
    })
    const { ok } = await verify(store)
    assert.equal(ok, false)
    assert.equal(readCount, 2)
    assert.ok(existsSync(path))
    assert.equal(existsSync(`${path}.0.bad`), false)
  })

  test('R-31: an I/O error says nothing about the chunk: it stays', async (context) => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const { store } = await makeTestStore(context, { fs: faults.fs })
    await backUp(store, DAY_1, ['one'])
    const path = store.chunks.pathOf((await makeChunk('one')).digest)
    let isBroken = true
    faults.onStep((step) => {
      if (isBroken && step.name === 'readFile' && step.path === path) {
        throw systemError('EMFILE', 'open', path)
      }
    })
    const { ok, lines } = await verify(store)
    assert.equal(ok, false)
    assert.match(lines[2]!, /unable to load chunk '.*' - reading file ".*" failed: Too many open/)
    assert.ok(existsSync(path))
    isBroken = false
    assert.equal((await verify(store)).ok, true)
  })

  test('a snapshot in use or gone is skipped and counts as good', async (context) => {
    const { store } = await makeTestStore(context)
    const writer = await begin(store, DAY_1)
    const busy = await verify(store)
    assert.equal(busy.ok, true)
    assert.match(
      busy.lines[0]!,
      /^SKIPPED: verify store1:host\/web1\/2026-01-01T00:00:00Z - could not acquire snapshot lock: unable to acquire shared snapshot lock/,
    )
    await writer.abort()
    const gone = await verify(store)
    assert.deepEqual(gone, {
      ok: true,
      lines: [
        'SKIPPED: verify store1:host/web1/2026-01-01T00:00:00Z - snapshot does not exist (anymore).',
      ],
    })
  })

  test('files that differ from the manifest, or are missing, fail', async (context) => {
    const { store } = await makeTestStore(context)
    const { path } = await backUp(store, DAY_1, ['one'])
    rmSync(`${path}/root.pxar.didx`)
    const { ok, lines } = await verify(store)
    assert.equal(ok, false)
    assert.match(
      lines.at(-1)!,
      /failed: Unable to open dynamic index ".*" - No such file or directory \(os error 2\)$/,
    )
  })

  test('R-32: while another process has sessions, a corrupt chunk is reported and stays', {
    skip: foreignLockMissing(),
  }, async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    const { digest } = await makeChunk('one')
    const path = store.chunks.pathOf(digest)
    writeFileSync(path, new Uint8Array(20))
    {
      await using _foreign = await ForeignLock.try(`${store.path}/.lock`, 'record', 'shared')
      const { ok, lines } = await verify(store)
      assert.equal(ok, false)
      const line = `corrupt chunk ${digest} stays for now: another process uses the datastore`
      assert.ok(lines.includes(line))
      assert.ok(existsSync(path))
    }
    // Sessions of our own are told, so they are no hindrance.
    const writer = await begin(store, DAY_1 + 60)
    await verify(store)
    assert.equal(existsSync(path), false)
    assert.equal(store.core.processLock.sharedCount, 1)
    await writer.abort()
  })
})
