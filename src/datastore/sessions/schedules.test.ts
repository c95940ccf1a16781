/** Schedules of one session's calls, of a failing disk and of a lost client, that must not publish what is not there. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import { suite, test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { FaultFileSystem } from '../../../test/support/fault-file-system.ts'
import {
  appendArchive,
  backUp,
  begin,
  finish,
  makeChunk,
  makeTestStore,
  writeArchive,
  writeManifest,
} from '../../../test/support/test-store.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import type { Digest } from '../../formats/digest.ts'
import { DynamicIndexBuilder } from '../../formats/dynamic-index.ts'
import { FIXED_CHUNK_SIZE } from '../../formats/fixed-index.ts'

const DAY_1 = 1_767_225_600
const DAY_2 = DAY_1 + 86_400
const NO_STATS = { count: 0, size: 0, compressed_size: 0, duplicates: 0 }

suite('BackupWriter under schedules', () => {
  // The entries of a failed write were gone from memory and zeros in the file, yet the close went well: some clients
  // do not look at the answers of appends (backup-protocol.md 10, T5).
  test('an append that could not be written fails finish', async (context) => {
    const disk = new FaultFileSystem(nodeFileSystem)
    const { store } = await makeTestStore(context, { fs: disk.fs })
    const writer = await begin(store, DAY_1)
    const { digest, blob, size } = await makeChunk('one')
    await writer.insertChunk(digest, blob, size)
    const index = await writer.createDynamicIndex('root.pxar.didx')
    const builder = new DynamicIndexBuilder()
    const offsets: number[] = []
    for (let count = 0; count < 25_000; count += 1) {
      offsets.push(builder.end)
      builder.append(builder.end + size, digest)
    }
    disk.plan({ at: 1, name: 'handle.write', errno: 'ENOSPC' })
    const digests: Digest[] = offsets.map(() => digest)
    await assert.rejects(index.append(digests, offsets), /ENOSPC/)
    const csum = Buffer.from(builder.csum()).toString('hex')
    await index.close({ chunkCount: offsets.length, size: builder.end, csum })
    await writeManifest(writer)
    await assert.rejects(writer.finish(NO_STATS), /ENOSPC/)
    await writer.abort()
  })

  test('an index begun while finish looks at the base is not left open in a finished snapshot', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    const writer = await begin(store, DAY_2)
    await writeArchive(writer, 'root.pxar.didx', ['two'])
    await writeManifest(writer)
    const finished = writer.finish(NO_STATS)
    const begun = writer.createDynamicIndex('late.pxar.didx')
    const outcomes = await Promise.allSettled([finished, begun])
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
    const names = readdirSync(writer.path).filter((name) => name.startsWith('late'))
    assert.equal(writer.state === 'finished' && names.length > 0, false, names.join())
    await writer.abort()
  })

  test('a lost client or an end of the server ends the look of finish', async (context) => {
    const { store } = await makeTestStore(context)
    await backUp(store, DAY_1, ['one'])
    const chunk = await makeChunk('one')
    const writer = await begin(store, DAY_2)
    await writer.registerPrevious('root.pxar.didx')
    await appendArchive(writer, 'root.pxar.didx', [chunk])
    await writeManifest(writer)
    const client = new AbortController()
    const { promise: isLooking, resolve: looks } = Promise.withResolvers<void>()
    context.mock.method(
      store.chunks,
      'lookMany',
      async (_packed: Uint8Array, options: { readonly signal?: AbortSignal } = {}) => {
        const { signal } = options
        const { promise, reject } = Promise.withResolvers<never>()
        signal?.addEventListener('abort', () => reject(signal.reason as Error))
        looks()
        return await promise
      },
    )
    const finished = writer.finish(NO_STATS, { signal: client.signal })
    await isLooking
    client.abort(new Error('the client is gone'))
    await assert.rejects(finished, /the client is gone/)
    await writer.abort()
  })

  test('a lost client does not wait for the look at a registration', async (context) => {
    const clock = new FakeClock()
    const { store } = await makeTestStore(context, { clock })
    await backUp(store, DAY_1, ['one'])
    const { promise: isReleased, resolve: release } = Promise.withResolvers<void>()
    context.mock.method(store.chunks, 'lookMany', async () => {
      await isReleased
      return { missing: [], failure: null }
    })
    const writer = await begin(store, DAY_2)
    const client = new AbortController()
    const registered = writer.registerPrevious('root.pxar.didx', { signal: client.signal })
    await clock.untilSleeping()
    client.abort(new Error('the client is gone'))
    await assert.rejects(registered, /the client is gone/)
    release()
    await writer.abort()
  })

  // One file that could not be removed left the others open.
  test('the end of a session closes every index it had begun', async (context) => {
    const disk = new FaultFileSystem(nodeFileSystem)
    const { store } = await makeTestStore(context, { fs: disk.fs })
    const writer = await begin(store, DAY_1)
    await writer.createDynamicIndex('a.pxar.didx')
    await writer.createDynamicIndex('b.pxar.didx')
    disk.reset()
    disk.plan({ at: 1, name: 'unlink', errno: 'EIO' })
    await assert.rejects(writer.abort(), /EIO/)
    const given = disk.steps.filter(({ name, path }) => {
      return name === 'unlink' && path.endsWith('.tmp_didx')
    })
    assert.equal(given.length, 2)
  })

  // QEMU clones the index of the base: with `register` the look at registration was the only one, and its finding was
  // forgotten when the client went on with reuse-csum.
  test('known-chunk-check=register: a damaged base cannot be cloned around its refusal', async (context) => {
    const { store } = await makeTestStore(context, { settings: { knownChunkCheck: 'register' } })
    const first = await begin(store, DAY_1)
    const content = 'x'.repeat(FIXED_CHUNK_SIZE)
    const { digest, blob, size } = await makeChunk(content)
    await first.insertChunk(digest, blob, size)
    const csum = createHash('sha256').update(Buffer.from(digest, 'hex')).digest('hex')
    const image = await first.createFixedIndex('disk.img.fidx', { size, reuseCsum: null })
    await image.append([digest], [0])
    await image.close({ chunkCount: 1, size, csum })
    await finish(first)
    rmSync(store.chunks.pathOf(digest))
    const second = await begin(store, DAY_2)
    await assert.rejects(second.registerPrevious('disk.img.fidx'), /is missing/)
    const clone = await second.createFixedIndex('disk.img.fidx', { size, reuseCsum: csum })
    await clone.close({ chunkCount: 0, size: 0, csum })
    await writeManifest(second)
    await assert.rejects(second.finish(NO_STATS), /is missing/)
    await second.abort()
  })
})
