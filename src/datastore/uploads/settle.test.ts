/** Sessions and chunks whose deletion may still be executed (races.md R-60), and uploads that fail (D12). */
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { ScriptedObjectStore } from '../../../test/support/scripted-object-store.ts'
import { makeChunk } from '../../../test/support/test-store.ts'
import { silentLog } from '../../base/log.ts'
import { digestToBytes } from '../../formats/digest.ts'
import { MemoryLedger } from '../../storage/bucket-chunks/memory-ledger.ts'
import { PINNED_MEMORY_BYTES_MAX } from '../../storage/bucket-chunks/pinned-bytes.ts'
import { S3Backend } from '../../storage/bucket-chunks/s3-backend.ts'
import { REQUEST_LIFE_MS } from '../../storage/ledger.ts'
import { MemoryObjectStore } from '../../storage/memory-object-store.ts'
import { ChunkStore } from '../chunk-store.ts'
import { Gate } from './gate.ts'
import { type LiveSession, LiveSessions, type SessionDigests } from './session-digests.ts'

const MINUTE_MS = 60_000

async function makeRig(context: TestContext) {
  const clock = new FakeClock()
  const memory = new MemoryObjectStore({ clock })
  const objects = new ScriptedObjectStore(memory)
  const ledger = new MemoryLedger(undefined, clock)
  const gate = new Gate()
  const sessions = new LiveSessions()
  const backend = new S3Backend({
    objects,
    ledger,
    cache: null,
    gate,
    prefix: 's',
    verdict: { honoursIfNoneMatch: true },
    isStale: () => false,
    clock,
    log: silentLog,
  })
  context.after(() => {
    objects.assertDone()
    assert.equal(gate.size, 0)
  })
  const store = new ChunkStore(backend, { gate, sessions })
  const join = (): LiveSession => {
    const session = { digests: sessions.createDigests(), journalId: null, fail() {} }
    sessions.add(session)
    return session
  }
  const lines: string[] = []
  const settle = async (digests: SessionDigests, signal?: AbortSignal): Promise<void> =>
    await store.settle(digests, { log: (line) => void lines.push(line), signal })
  const chunk = await makeChunk('one')
  const key = backend.pathOf(chunk.digest)
  const knows = () => ledger.knowsAt(digestToBytes(chunk.digest), 0)
  return {
    clock,
    memory,
    objects,
    ledger,
    sessions,
    backend,
    store,
    join,
    lines,
    settle,
    chunk,
    key,
    knows,
  }
}

suite('ChunkStore.settle()', () => {
  test('does nothing, and says nothing, for a session without suspects', async (context) => {
    const { objects, store, join, settle, lines, chunk } = await makeRig(context)
    const { digests } = join()
    await store.insert(chunk.digest, chunk, digests)
    await settle(digests)
    assert.equal(objects.requests.length, 1)
    assert.deepEqual(lines, [])
  })

  test('a late DELETE takes the chunk away, finish puts it again', async (context) => {
    const rig = await makeRig(context)
    const { clock, memory, objects, ledger, store, join, settle, lines, chunk, key } = rig
    memory.plant(key, chunk.blob)
    await ledger.condemn([key], clock.now())
    const plan = objects.executeAgainLater('delete')
    await objects.delete([key])
    const { digests } = join()
    await store.insert(chunk.digest, chunk, digests)
    const settled = settle(digests)
    await clock.advance(MINUTE_MS)
    await plan.execute()
    assert.equal(memory.keys.includes(key), false)
    await clock.advanceUntil(settled, MINUTE_MS)
    assert.ok(memory.keys.includes(key))
    assert.deepEqual(rig.knows(), { size: chunk.blob.length })
    assert.deepEqual(lines, ['waiting 1200 s: 1 chunks may still be deleted by former requests'])
  })

  test('a chunk that was relied on and went, and whose bytes nobody has, fails the session', async (context) => {
    const rig = await makeRig(context)
    const { clock, memory, ledger, store, join, settle, chunk, key } = rig
    memory.plant(key, chunk.blob)
    await ledger.condemn([key], clock.now())
    const { digests } = join()
    digests.register(chunk.digest, { size: chunk.size, origin: 'known' })
    assert.deepEqual((await store.lookMany(digestToBytes(chunk.digest))).missing, [])
    await memory.delete([key])
    const settled = settle(digests)
    settled.catch(() => {})
    await assert.rejects(clock.advanceUntil(settled, MINUTE_MS), { code: 'KNOWN_CHUNK_MISSING' })
  })

  test('two sessions with one suspect: the first to finish settles it for both', async (context) => {
    const rig = await makeRig(context)
    const { clock, memory, objects, ledger, store, sessions, join, settle, chunk, key } = rig
    await ledger.condemn([key], clock.now())
    const one = join()
    const two = join()
    await store.insert(chunk.digest, chunk, one.digests)
    await store.insert(chunk.digest, chunk, two.digests)
    await memory.delete([key])
    await clock.advanceUntil(settle(one.digests), MINUTE_MS)
    sessions.remove(one)
    store.release()
    const asked = objects.requests.length
    await settle(two.digests)
    assert.equal(objects.requests.length, asked)
    assert.ok(memory.keys.includes(key))
  })

  test('a chunk that went, and whose bytes another session sent, is not missing', async (context) => {
    const rig = await makeRig(context)
    const { clock, memory, ledger, store, join, settle, chunk, key } = rig
    await ledger.condemn([key], clock.now())
    await store.insert(chunk.digest, chunk, join().digests)
    await memory.delete([key])
    const { digests } = join()
    digests.register(chunk.digest, { size: chunk.size, origin: 'known' })
    assert.deepEqual((await store.lookMany(digestToBytes(chunk.digest))).missing, [])
    await clock.advanceUntil(settle(digests), MINUTE_MS)
    assert.ok(memory.keys.includes(key))
  })

  test('a session that gives up leaves the bytes to the other one', async (context) => {
    const rig = await makeRig(context)
    const { clock, memory, ledger, backend, store, sessions, join, settle, chunk, key } = rig
    await ledger.condemn([key], clock.now())
    const one = join()
    const two = join()
    await store.insert(chunk.digest, chunk, one.digests)
    await store.insert(chunk.digest, chunk, two.digests)
    sessions.remove(one)
    store.release()
    await memory.delete([key])
    await clock.advanceUntil(settle(two.digests), MINUTE_MS)
    assert.ok(memory.keys.includes(key))
    sessions.remove(two)
    store.release()
    assert.equal(backend.provisional.hasBytes(chunk.digest), false)
  })

  test('a session that is told to stop does not wait', async (context) => {
    const { clock, ledger, store, join, settle, chunk, key } = await makeRig(context)
    await ledger.condemn([key], clock.now())
    const { digests } = join()
    await store.insert(chunk.digest, chunk, digests)
    const abort = new AbortController()
    const settled = settle(digests, abort.signal)
    await clock.untilSleeping()
    abort.abort(new Error('stopped'))
    await assert.rejects(settled, /stopped/)
  })

  test('no answer at the end fails the session, and the next one settles', async (context) => {
    const { clock, objects, ledger, store, join, settle, chunk, key } = await makeRig(context)
    await ledger.condemn([key], clock.now())
    const { digests } = join()
    await store.insert(chunk.digest, chunk, digests)
    await clock.advance(REQUEST_LIFE_MS)
    objects.fail('head')
    await assert.rejects(settle(digests), { code: 'S3_UNAVAILABLE' })
    await settle(digests)
    assert.equal(ledger.isSuspect(key), false)
  })
})

suite('ChunkStore.insert() into a bucket', () => {
  // races.md D12, R-26: of two uploads of one chunk the second sends its own bytes.
  for (const how of ['fail', 'refuse', 'loseAnswer', 'executeLater'] as const) {
    test(`D12: a PUT with "${how}" registers nothing and opens the gate`, async (context) => {
      const { objects, memory, store, join, chunk, key, knows } = await makeRig(context)
      const one = join()
      const two = join()
      objects[how]('put')
      const uploads = await Promise.allSettled([
        store.insert(chunk.digest, chunk, one.digests),
        store.insert(chunk.digest, chunk, two.digests),
      ])
      assert.deepEqual(
        uploads.map(({ status }) => status),
        ['rejected', 'fulfilled'],
      )
      assert.equal(one.digests.has(chunk.digest), false)
      assert.equal(two.digests.has(chunk.digest), true)
      assert.ok(memory.keys.includes(key))
      assert.notEqual(knows(), null)
    })
  }

  test('D12: a register that throws leaves a chunk that nobody relies on', async (context) => {
    const { sessions, store, join, chunk, key, memory } = await makeRig(context)
    const { digests } = join()
    sessions.onRegister = () => {
      throw new Error('bug')
    }
    await assert.rejects(store.insert(chunk.digest, chunk, digests), /bug/)
    assert.ok(memory.keys.includes(key))
  })

  test('R-60: without room for it, in doubt, an upload says why it waits, and its end ends the wait', async (context) => {
    const { clock, objects, ledger, store, join, lines, chunk } = await makeRig(context)
    await ledger.doubtAll(clock.now())
    const [one, two] = [join(), join()]
    const tooLarge = { blob: new Uint8Array(PINNED_MEMORY_BYTES_MAX + 1), size: 1 }
    const abort = new AbortController()
    const waits = Promise.withResolvers<void>()
    const log = (line: string): void => {
      lines.push(line)
      waits.resolve()
    }
    const options = { log, signal: abort.signal }
    const holder = store.insert(chunk.digest, tooLarge, one.digests, options)
    await waits.promise
    const waiter = store.insert(chunk.digest, chunk, two.digests, options)
    const refused = [holder, waiter].map(async (upload) => await assert.rejects(upload, /has gone/))
    abort.abort(new Error('the client has gone'))
    await Promise.all(refused)
    assert.match(
      lines.join(),
      /^no room for chunk [0-9a-f]{64}, waiting 1200 s: until .* may still delete chunks/,
    )
    for (const { digests } of [one, two]) assert.equal(digests.has(chunk.digest), false)
    assert.deepEqual(objects.requests, [])
  })
})
