import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import {
  appendArchive,
  backUp,
  begin,
  finish,
  makeChunk,
  makeTestStore,
  UPID,
  writeArchive,
  writeManifest,
} from '../../../test/support/test-store.ts'
import { CairnError } from '../../base/errors.ts'
import { systemError } from '../../base/fs/system-error.ts'
import { parseGroup, type SnapshotRef } from '../../formats/names.ts'
import { ROOT_NAMESPACE } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { readManifest } from '../manifest-store.ts'
import { listSnapshots } from '../snapshots.ts'
import { readIndex } from '../snapshot-files.ts'

const NO_STATS = { count: 0, size: 0, compressed_size: 0, duplicates: 0 }
const GROUP = parseGroup('host/web1')
const DAY_1 = 1_767_225_600
const DAY_2 = DAY_1 + 86_400

function refAt(time: number): SnapshotRef {
  return { ...GROUP, time }
}

async function snapshotTimes(store: Datastore): Promise<number[]> {
  const listed = await listSnapshots(store, ROOT_NAMESPACE, GROUP)
  return listed.filter((one) => one.finished).map((one) => one.ref.time)
}

function lockFiles(folder: string): string[] {
  return existsSync(`${folder}/locks/store1`) ? readdirSync(`${folder}/locks/store1`) : []
}

suite('BackupWriter', () => {
  test('a finished backup is listed, has its statistics, and holds nothing', async (context) => {
    const { store, folder } = await makeTestStore(context)
    const lines: string[] = []
    const writer = await begin(store, DAY_1, { lines })
    await writeArchive(writer, 'root.pxar.didx', ['one', 'two'])
    await writeManifest(writer)
    assert.deepEqual(await snapshotTimes(store), [], 'the manifest is hidden until finish')
    await writer.finish({ count: 2, size: 6, compressed_size: 30, duplicates: 0 })
    assert.deepEqual(await snapshotTimes(store), [DAY_1])
    const { manifest } = await readManifest(store, ROOT_NAMESPACE, refAt(DAY_1))
    assert.deepEqual(manifest.unprotected['chunk_upload_stats'], {
      count: 2,
      size: 6,
      compressed_size: 30,
      duplicates: 0,
    })
    assert.deepEqual(readdirSync(writer.path).toSorted(), ['index.json.blob', 'root.pxar.didx'])
    assert.deepEqual(lines, [`syncing filesystem for backing path '"${store.path}"'`])
    assert.equal(store.core.processLock.sharedCount, 0)
    assert.equal(store.core.sessions.count, 0)
    assert.deepEqual(readdirSync(`${folder}/state/datastores/store1/sessions`), [])
    await writer.abort()
    assert.deepEqual(await snapshotTimes(store), [DAY_1], 'abort after finish does nothing')
  })

  test('abort removes snapshot, new group and lock files, and nothing else', async (context) => {
    const { store, folder } = await makeTestStore(context)
    const writer = await begin(store, DAY_1)
    const [digest] = await writeArchive(writer, 'root.pxar.didx', ['kept as garbage'])
    await writer.createDynamicIndex('open.pxar.didx')
    await writeManifest(writer)
    await writer.abort()
    await writer.abort()
    assert.equal(existsSync(`${store.path}/host/web1`), false)
    assert.deepEqual(lockFiles(folder), [])
    assert.ok(existsSync(store.chunks.pathOf(digest!)))
    assert.equal(store.core.processLock.sharedCount, 0)
    assert.equal(store.core.gate.size, 0)
  })

  test('abort keeps a group that has other snapshots', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    const writer = await begin(store, DAY_2)
    await writer.abort()
    assert.deepEqual(readdirSync(`${store.path}/host/web1`).toSorted(), [
      '2026-01-01T00:00:00Z',
      'owner',
    ])
  })

  test('finish refuses open writers, no files, a missing manifest', async (context) => {
    const { store } = await makeTestStore(context)
    const writer = await begin(store, DAY_1)
    await assert.rejects(writer.finish(NO_STATS), {
      message: 'backup does not contain valid files (file count == 0)',
    })
    const index = await writer.createDynamicIndex('root.pxar.didx')
    await assert.rejects(writer.finish(NO_STATS), {
      message: 'found open index writer - unable to finish backup',
    })
    assert.equal(writer.state, 'active')
    await index.abandon()
    await writeArchive(writer, 'root.pxar.didx', ['one'])
    await assert.rejects(writer.finish(NO_STATS), {
      message: `unable to update manifest blob - unable to load blob '"${writer.path}/index.json.blob"' - No such file or directory (os error 2)`,
    })
    assert.equal(writer.state, 'failed')
    await writer.abort()
    assert.deepEqual(await snapshotTimes(store), [])
  })

  test('what was not registered cannot be appended, whatever lies in the store', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['secret'], { group: 'host/other' })
    const { digest, size } = await makeChunk('secret')
    const writer = await begin(store, DAY_1)
    const index = await writer.createDynamicIndex('root.pxar.didx')
    await assert.rejects(index.append([digest], [0]), { message: `no such chunk ${digest}` })
    assert.equal(writer.knownSize(digest), undefined)
    const refused = new Error('no such writer')
    const { blob } = await makeChunk('secret')
    await assert.rejects(
      writer.insertChunk(digest, blob, size, {
        confirm() {
          throw refused
        },
      }),
      refused,
    )
    await assert.rejects(index.append([digest], [0]), { message: `no such chunk ${digest}` })
    await writer.insertChunk(digest, blob, size)
    await index.append([digest], [0])
    await writer.abort()
  })

  test('the same archive cannot be written twice in a session', async (context) => {
    const { store } = await makeTestStore(context)
    const writer = await begin(store, DAY_1)
    await writer.createDynamicIndex('root.pxar.didx')
    await assert.rejects(writer.createDynamicIndex('root.pxar.didx'), /already written/)
    await writer.abort()
  })

  test('known chunks of the base are reused without upload', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one', 'two'])
    const writer = await begin(store, DAY_2)
    assert.deepEqual(writer.base, refAt(DAY_1))
    await writer.registerPrevious('root.pxar.didx')
    const chunks = await Promise.all(['two', 'one'].map(makeChunk))
    await appendArchive(writer, 'root.pxar.didx', chunks)
    await finish(writer)
    const index = await readIndex(store, ROOT_NAMESPACE, refAt(DAY_2), 'root.pxar.didx')
    assert.deepEqual(
      [...index.digests()],
      chunks.map((chunk) => chunk.digest),
    )
  })

  // races.md R-11: a chunk of the base is gone before the session begins.
  test('R-11: a missing known chunk refuses the previous index, flags the base, and heals', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one', 'two'])
    const { digest } = await makeChunk('two')
    rmSync(store.chunks.pathOf(digest))
    const writer = await begin(store, DAY_2)
    await assert.rejects(writer.registerPrevious('root.pxar.didx'), {
      message: `cannot reuse 'root.pxar.didx' of the previous backup - chunk ${digest} is missing`,
    })
    assert.equal(writer.knownSize(digest), undefined)
    await writeArchive(writer, 'root.pxar.didx', ['one', 'two'])
    await finish(writer)
    const { manifest } = await readManifest(store, ROOT_NAMESPACE, refAt(DAY_1))
    assert.deepEqual(manifest.unprotected['verify_state'], { state: 'failed', upid: UPID })
    assert.ok(await store.chunks.stat(digest), 'healed for the base as well')
  })

  test('R-11: a known chunk that goes missing later fails finish and flags the base', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one', 'two'])
    const writer = await begin(store, DAY_2)
    await writer.registerPrevious('root.pxar.didx')
    const chunks = await Promise.all(['one', 'two'].map(makeChunk))
    await appendArchive(writer, 'root.pxar.didx', chunks)
    rmSync(store.chunks.pathOf(chunks[1]!.digest))
    await assert.rejects(finish(writer), {
      message: `stat known chunks failed - chunk ${chunks[1]!.digest} is missing`,
    })
    await writer.abort()
    assert.deepEqual(await snapshotTimes(store), [DAY_1])
    const next = await begin(store, DAY_2)
    assert.equal(next.base, null, 'the next backup sends everything')
    await writeArchive(next, 'root.pxar.didx', ['one', 'two'])
    await finish(next)
    assert.deepEqual(await snapshotTimes(store), [DAY_1, DAY_2])
  })

  test('an empty chunk file counts as missing', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    const { digest } = await makeChunk('one')
    truncateSync(store.chunks.pathOf(digest), 0)
    const writer = await begin(store, DAY_2)
    await assert.rejects(writer.registerPrevious('root.pxar.didx'), /is missing/)
    await writer.abort()
  })

  test('known-chunk-check=off looks at nothing, =register only when registering', async (context) => {
    const { store, registry, change } = await makeTestStore(context, {
      settings: { knownChunkCheck: 'off' },
    })
    await backUp(store, DAY_1, ['one'])
    const { digest, size } = await makeChunk('one')
    rmSync(store.chunks.pathOf(digest))
    const off = await begin(store, DAY_2)
    await off.registerPrevious('root.pxar.didx')
    await appendArchive(off, 'root.pxar.didx', [{ digest, size }])
    await finish(off)
    change({ knownChunkCheck: 'register' })
    const changed = await registry.lookup('store1', 'write')
    assert.equal(changed.core, store.core, 'R-66: settings change, the core stays')
    const register = await begin(changed, DAY_2 + 86_400)
    await assert.rejects(register.registerPrevious('root.pxar.didx'), /is missing/)
    await register.abort()
  })

  test('R-12: a chunk answered as duplicate that vanishes fails finish', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'], { group: 'host/other' })
    const writer = await begin(store, DAY_1)
    const { digest, blob, size } = await makeChunk('one')
    assert.equal((await writer.insertChunk(digest, blob, size)).duplicate, true)
    await appendArchive(writer, 'root.pxar.didx', [{ digest, size }])
    rmSync(store.chunks.pathOf(digest))
    await assert.rejects(finish(writer), /stat known chunks failed/)
    await writer.abort()
  })

  test('R-12, R-32: a chunk marked bad poisons the session that relies on it', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'], { group: 'host/other' })
    const writer = await begin(store, DAY_1)
    const { digest, blob, size } = await makeChunk('one')
    await writer.insertChunk(digest, blob, size)
    await appendArchive(writer, 'root.pxar.didx', [{ digest, size }])
    const place = await store.chunks.markBad(digest, async () => true)
    assert.equal(place, `${store.chunks.pathOf(digest)}.0.bad`)
    // Somebody else heals it: this session was told "present" of a chunk that was not, it fails all the same.
    await backUp(store, DAY_2, ['one'], { group: 'host/other' })
    await assert.rejects(finish(writer), /found corrupt and renamed/)
    await writer.abort()
  })

  test('the base removed by hand fails finish', async (context) => {
    const { store } = await makeTestStore(context)
    const first = await backUp(store, DAY_1, ['one'])
    const writer = await begin(store, DAY_2)
    await writeArchive(writer, 'root.pxar.didx', ['two'])
    await writeManifest(writer)
    rmSync(first.path, { recursive: true })
    await assert.rejects(writer.finish(NO_STATS), {
      message:
        'base snapshot host/web1/2026-01-01T00:00:00Z was removed during backup, cannot finish as chunks might be missing',
    })
    await writer.abort()
  })

  test('blobs are checked, replaced, and refused after finish', async (context) => {
    const { store } = await makeTestStore(context)
    const writer = await begin(store, DAY_1)
    const { blob } = await makeChunk('content')
    await assert.rejects(writer.writeBlob('x.conf', blob), {
      message: "wrong blob file extension: 'x.conf'",
    })
    await assert.rejects(writer.writeBlob('x.blob', blob.subarray(0, 7)), {
      message: 'blob too small (7 bytes).',
    })
    const broken = Buffer.from(blob)
    broken[broken.length - 1]! ^= 1
    await assert.rejects(writer.writeBlob('x.blob', broken), {
      message: 'Data blob has wrong CRC checksum.',
    })
    await writer.writeBlob('x.blob', blob)
    await writer.writeBlob('x.blob', blob)
    assert.deepEqual(readFileSync(`${writer.path}/x.blob`), Buffer.from(blob))
    await finish(writer)
    await assert.rejects(writer.writeBlob('x.blob', blob), {
      message: 'backup already marked as finished.',
    })
  })

  test('a slow look does not hold up the previous index, and counts at finish', async (context) => {
    const clock = new FakeClock()
    const { store } = await makeTestStore(context, { clock, settings: { knownChunkWaitMs: 5_000 } })
    await backUp(store, DAY_1, ['one'])
    const { digest, size } = await makeChunk('one')
    const { promise: isReleased, resolve: release } = Promise.withResolvers<void>()
    const lookMany = store.chunks.lookMany.bind(store.chunks)
    context.mock.method(
      store.chunks,
      'lookMany',
      async (packed: Uint8Array) => {
        await isReleased
        return await lookMany(packed)
      },
      { times: 1 },
    )
    const writer = await begin(store, DAY_2)
    const registered = writer.registerPrevious('root.pxar.didx')
    await clock.untilSleeping()
    await clock.advance(5_000)
    await registered
    await appendArchive(writer, 'root.pxar.didx', [{ digest, size }])
    rmSync(store.chunks.pathOf(digest))
    release()
    await assert.rejects(finish(writer), /stat known chunks failed/)
    await writer.abort()
  })

  test('an I/O error of a look fails without flagging the base', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    const chunk = await makeChunk('one')
    const writer = await begin(store, DAY_2)
    await writer.registerPrevious('root.pxar.didx')
    await appendArchive(writer, 'root.pxar.didx', [chunk])
    const error = systemError('EIO', 'lstat', 'x')
    const failure = { digest: chunk.digest, error }
    context.mock.method(store.chunks, 'lookMany', async () => ({ missing: [], failure }))
    await assert.rejects(finish(writer), /stat known chunks failed - EIO/)
    await writer.abort()
    const { manifest } = await readManifest(store, ROOT_NAMESPACE, refAt(DAY_1))
    assert.equal(manifest.unprotected['verify_state'], undefined)
  })

  test('a benchmark leaves nothing', async (context) => {
    const { store } = await makeTestStore(context)
    const writer = await begin(store, DAY_1, { group: 'host/benchmark', benchmark: true })
    await writeArchive(writer, 'speed.pxar.didx', ['one'])
    await writer.abort()
    assert.equal(existsSync(`${store.path}/host/benchmark`), false)
  })

  test('two uploads of one digest: the second stores it when the first fails', async (context) => {
    const { store } = await makeTestStore(context)
    const first = await begin(store, DAY_1)
    const second = await begin(store, DAY_1, { group: 'host/web2' })
    const { digest, blob, size } = await makeChunk('shared')
    const { promise: isReleased, resolve: release } = Promise.withResolvers<void>()
    // The first one holds the gate and fails; the second waits its turn and finds nothing there.
    const rename = store.fs.rename.bind(store.fs)
    let failures = 1
    context.mock.method(store.fs, 'rename', async (from: string, to: string) => {
      if (failures > 0) {
        failures -= 1
        await isReleased
        throw systemError('ENOSPC', 'rename', to)
      }
      await rename(from, to)
    })
    const uploads = [first, second].map((writer) => writer.insertChunk(digest, blob, size))
    release()
    const outcomes = await Promise.allSettled(uploads)
    context.mock.restoreAll()
    assert.deepEqual(
      outcomes.map((one) => one.status),
      ['rejected', 'fulfilled'],
    )
    assert.equal(first.digests.has(digest), false)
    assert.equal(second.knownSize(digest), size)
    assert.equal(store.core.gate.size, 0)
    await first.abort()
    await appendArchive(second, 'root.pxar.didx', [{ digest, size }])
    await finish(second)
    assert.deepEqual(readdirSync(`${store.path}/.chunks/${digest.slice(0, 4)}`), [digest])
  })
})

suite('beginBackup()', () => {
  async function refusal(begun: Promise<unknown>): Promise<CairnError> {
    try {
      await begun
    } catch (error) {
      assert.ok(error instanceof CairnError)
      return error
    }
    throw new assert.AssertionError({ message: 'expected a refusal' })
  }

  test('refuses with the texts of backup-protocol.md 2.5', async (context) => {
    const { store, folder } = await makeTestStore(context)
    const missing = await refusal(begin(store, DAY_1, { ns: 'a' as never }))
    assert.equal(missing.message, 'namespace not found')
    assert.equal(missing.data['status'], 404)
    const cases = [
      [{ group: 'host/benchmark' }, 'unable to run benchmark without --benchmark flags'],
      [{ benchmark: true }, "benchmark flags is only allowed on 'host/benchmark'"],
    ] as const
    for (const [options, text] of cases) {
      assert.equal((await refusal(begin(store, DAY_1, options))).message, text)
    }
    const running = await begin(store, DAY_1)
    assert.equal(
      (await refusal(begin(store, DAY_2))).message,
      `unable to acquire backup group lock "${folder}/locks/store1/host-web1" while creating locked backup group "${store.path}/host/web1"`,
    )
    await writeArchive(running, 'root.pxar.didx', ['one'])
    await finish(running)
    assert.equal(
      (await refusal(begin(store, DAY_2, { caller: 'other@pbs' }))).message,
      'backup owner check failed (other@pbs != root@pam)',
    )
    for (const time of [DAY_1, DAY_1 - 1]) {
      const { message } = await refusal(begin(store, time))
      assert.equal(message, 'backup timestamp is older than last backup.')
    }
    assert.equal(
      (await refusal(begin(store, 253_402_300_800))).message,
      "epoch_to_rfc3339_utc: wrong year '10000'",
    )
    assert.equal(store.core.processLock.sharedCount, 0, 'a refusal releases all')
    await (await begin(store, DAY_2)).abort()
  })

  test('an existing folder of that time is refused and kept', async (context) => {
    const { store } = await makeTestStore(context)
    const first = await begin(store, DAY_1)
    await writeArchive(first, 'root.pxar.didx', ['one'])
    await finish(first)
    const { path } = first
    rmSync(`${path}/index.json.blob`)
    assert.equal((await refusal(begin(store, DAY_1))).message, 'backup directory already exists.')
    assert.ok(existsSync(`${path}/root.pxar.didx`))
  })

  test('a broken manifest of the newest snapshot blocks, as in stock', async (context) => {
    const { store } = await makeTestStore(context)
    const { path } = await backUp(store, DAY_1, ['one'])
    writeFileSync(`${path}/index.json.blob`, 'x'.repeat(7))
    assert.equal(
      (await refusal(begin(store, DAY_2))).message,
      `unable to load blob '"${path}/index.json.blob"' - blob too small (7 bytes).`,
    )
  })

  test('a user continues a group of one of his tokens, not the other way', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'], { caller: 'me@pbs!tok' })
    await (await begin(store, DAY_2, { caller: 'me@pbs' })).abort()
    await backUp(store, DAY_1, ['one'], { caller: 'me@pbs', group: 'host/mine' })
    const { message } = await refusal(
      begin(store, DAY_2, { caller: 'me@pbs!tok', group: 'host/mine' }),
    )
    assert.equal(message, 'backup owner check failed (me@pbs!tok != me@pbs)')
  })

  test('modes of what is made are those of stock', async (context) => {
    const before = process.umask(0o022)
    context.after(() => process.umask(before))
    const { store } = await makeTestStore(context)
    const { path } = await backUp(store, DAY_1, ['one'])
    const { digest } = await makeChunk('one')
    const modes: Record<string, number> = {}
    for (const name of [
      path,
      `${path}/index.json.blob`,
      `${path}/root.pxar.didx`,
      `${store.path}/host/web1/owner`,
      store.chunks.pathOf(digest),
      `${store.path}/.chunks/${digest.slice(0, 4)}`,
    ]) {
      modes[name.slice(store.path.length)] = (await store.fs.stat(name)).mode
    }
    assert.deepEqual(Object.values(modes), [0o755, 0o644, 0o644, 0o644, 0o644, 0o750])
  })

  test('run as root, all that is made belongs to the owner of the folder', {
    skip: notRoot(),
  }, async (context) => {
    const owner = { uid: 34, gid: 34 }
    const { store, folder } = await makeTestStore(context, { owner })
    await backUp(store, DAY_1, ['one'])
    const writer = await begin(store, DAY_2)
    await writer.createFixedIndex('d.img.fidx', { size: 1, reuseCsum: null })
    await writeManifest(writer)
    const strange: string[] = []
    for (const top of [store.path, `${folder}/locks/store1`]) {
      for (const name of ['', ...readdirSync(top, { recursive: true, encoding: 'utf8' })]) {
        const { uid, gid } = await store.fs.lstat(`${top}/${name}`)
        if (uid !== 34 || gid !== 34) strange.push(`${top}/${name}`)
      }
    }
    assert.deepEqual(strange, [])
    await writer.abort()
  })
})

function notRoot(): string | false {
  return process.getuid?.() === 0 ? false : 'needs root to give files away'
}
