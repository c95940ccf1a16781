import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { ScriptedObjectStore } from '../../../test/support/scripted-object-store.ts'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { makeChunk } from '../../../test/support/test-store.ts'
import { KeyedLock } from '../../base/async/keyed-lock.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { silentLog } from '../../base/log.ts'
import { type Digest, digestToBytes } from '../../formats/digest.ts'
import { REQUEST_LIFE_MS } from '../ledger.ts'
import { MemoryObjectStore } from '../memory-object-store.ts'
import { ChunkCache } from './chunk-cache.ts'
import type { ChunkGate } from './chunk-gate.ts'
import { MemoryLedger } from './memory-ledger.ts'
import { S3Backend } from './s3-backend.ts'

class TestGate implements ChunkGate {
  readonly #locks = new KeyedLock<Digest>()

  get size(): number {
    return this.#locks.size
  }

  async acquire(digest: Digest, signal?: AbortSignal): Promise<Disposable> {
    return await this.#locks.acquire(digest, signal)
  }

  isHeld(digest: Digest): boolean {
    return this.#locks.isHeld(digest)
  }
}

async function makeRig(context: TestContext, options: { readonly cache?: boolean } = {}) {
  const clock = new FakeClock()
  const memory = new MemoryObjectStore({ clock })
  const objects = new ScriptedObjectStore(memory)
  const ledger = new MemoryLedger()
  const gate = new TestGate()
  let cache: ChunkCache | null = null
  if (options.cache === true) {
    const folder = `${await makeTemporaryFolder(context)}/cache`
    cache = await ChunkCache.open(nodeFileSystem, {
      folder,
      bytesMax: 1 << 20,
      clock,
      log: silentLog,
    })
  }
  const verdict = { honoursIfNoneMatch: true }
  const state = { isStale: false }
  const backend = new S3Backend({
    objects,
    ledger,
    cache,
    gate,
    prefix: 's',
    verdict,
    isStale: () => state.isStale,
    clock,
    log: silentLog,
  })
  context.after(async () => {
    await cache?.close()
    await backend[Symbol.asyncDispose]()
    objects.assertDone()
    assert.equal(gate.size, 0)
  })
  const { digest, blob } = await makeChunk('one')
  const key = backend.pathOf(digest)
  const knows = () => ledger.knowsAt(digestToBytes(digest), 0)
  return { clock, memory, objects, ledger, gate, cache, backend, state, digest, blob, key, knows }
}

suite('S3Backend.put()', () => {
  test('asks nothing for a chunk that the ledger knows', async (context) => {
    const { backend, objects, digest, blob } = await makeRig(context)
    await backend.put(digest, blob)
    assert.deepEqual(await backend.put(digest, blob), {
      duplicate: true,
      storedSize: blob.length,
    })
    assert.equal(objects.requests.length, 1)
  })

  test('an unknown one costs one PUT, whether it is there or not', async (context) => {
    const { backend, objects, memory, digest, blob, key, knows } = await makeRig(context)
    memory.plant(key, blob)
    assert.equal((await backend.put(digest, blob)).duplicate, true)
    assert.deepEqual(knows(), { size: null }, '412 gives no size')
    assert.deepEqual(
      objects.requests.map(({ operation }) => operation),
      ['put'],
    )
  })

  // races.md, D12: a failed upload leaves no entry, and its twin sends its own bytes.
  for (const how of ['fail', 'loseAnswer', 'executeLater'] as const) {
    test(`a PUT with "${how}" leaves nothing that counts`, async (context) => {
      const { backend, objects, memory, digest, blob, key, knows } = await makeRig(context)
      const plan = objects[how]('put')
      await assert.rejects(backend.put(digest, blob), { code: 'S3_UNAVAILABLE' })
      assert.equal(knows(), null)
      const twin = await backend.put(digest, blob)
      assert.equal(twin.duplicate, how === 'loseAnswer')
      if (how === 'executeLater') await plan.execute()
      assert.ok(memory.keys.includes(key))
      assert.notEqual(knows(), null)
    })
  }

  test('with a stale ledger nothing is known and nothing added', async (context) => {
    const { backend, objects, state, ledger, digest, blob } = await makeRig(context)
    await backend.put(digest, blob)
    state.isStale = true
    assert.equal((await backend.put(digest, blob)).duplicate, true)
    assert.equal(objects.countOf('put'), 2)
    ledger.drop(digest)
    await backend.put(digest, blob)
    assert.equal(ledger.count, 0)
  })

  // races.md
  test('a copy is made of what was stored, and only of that', async (context) => {
    const { backend, objects, memory, cache, digest, blob, key } = await makeRig(context, {
      cache: true,
    })
    objects.fail('put')
    await assert.rejects(backend.put(digest, blob))
    assert.equal(cache?.count, 0)
    memory.plant(key, blob)
    await backend.put(digest, blob)
    assert.equal(cache?.count, 0, 'what was there may be something else')
    const two = await makeChunk('two')
    await backend.put(two.digest, two.blob, { isCached: false })
    assert.equal(cache?.count, 0)
    const three = await makeChunk('three')
    await backend.put(three.digest, three.blob)
    assert.equal(cache?.has(three.digest), true)
    objects.requests.length = 0
    assert.deepEqual(Buffer.from(await backend.read(three.digest)), Buffer.from(three.blob))
    assert.deepEqual(objects.requests, [])
  })
})

suite('S3Backend.read()', () => {
  test('keeps a copy, which the next one gets; the origin is asked if it is to be', async (context) => {
    const { backend, objects, memory, cache, digest, blob, key } = await makeRig(context, {
      cache: true,
    })
    memory.plant(key, blob)
    await backend.read(digest, undefined, { from: 'origin' })
    await cache?.idle()
    assert.equal(cache?.count, 0)
    await backend.read(digest)
    await cache?.idle()
    await backend.read(digest)
    assert.equal(objects.countOf('get'), 2)
    memory.plant(key, blob.subarray(0, 13))
    const origin = await backend.read(digest, undefined, { from: 'origin' })
    assert.equal(origin.length, 13, 'as it is: the caller judges')
  })

  test('wrong content is asked for once more, then it is an error', async (context) => {
    const { backend, objects, memory, digest, blob, key } = await makeRig(context)
    const wrong = new Uint8Array(blob)
    wrong[wrong.length - 1] = (wrong.at(-1) ?? 0) ^ 1
    memory.plant(key, wrong)
    await assert.rejects(backend.read(digest), { code: 'CHUNK_CONTENT_WRONG', kind: 'Corrupt' })
    assert.equal(objects.countOf('get'), 2)
    const plan = objects.holdAnswer('get')
    const read = backend.read(digest)
    await plan.arrived
    memory.plant(key, blob)
    plan.release()
    assert.deepEqual(Buffer.from(await read), Buffer.from(blob))
  })

  test('a chunk that is gone is unknown from then on', async (context) => {
    const { backend, memory, digest, blob, key, knows } = await makeRig(context)
    await backend.put(digest, blob)
    await memory.delete([key])
    await assert.rejects(backend.read(digest), { code: 'CHUNK_MISSING' })
    assert.equal(knows(), null)
    assert.equal((await backend.put(digest, blob)).duplicate, false)
  })

  // races.md R-33
  test('a short or changed copy is dropped, and the chunk read from the bucket', async (context) => {
    const { backend, objects, cache, digest, blob } = await makeRig(context, { cache: true })
    for (const spoilt of [blob.subarray(0, 13), flip(blob), new Uint8Array()]) {
      await backend.put(digest, blob)
      await cache?.remove(digest)
      const { digest: other } = await makeChunk('other')
      assert.ok(cache !== null)
      await using copy = cache.stage(digest, spoilt.length === 0 ? Uint8Array.of(1) : spoilt)
      await copy?.publish()
      const before = objects.countOf('get')
      assert.deepEqual(Buffer.from(await backend.read(digest)), Buffer.from(blob))
      assert.equal(objects.countOf('get'), before + 1)
      await cache.idle()
      await backend.read(digest)
      assert.equal(objects.countOf('get'), before + 1, 'a good copy took its place')
      assert.equal(cache.has(other), false)
    }
  })
})

suite('S3Backend.lookMany()', () => {
  test('asks for what is unknown, and remembers the answer', async (context) => {
    const { backend, objects, memory, digest, blob, key } = await makeRig(context)
    memory.plant(key, blob)
    const none = 'ab'.repeat(32) as Digest
    const packed = Buffer.concat([digest, none, digest].map(digestToBytes))
    const look = await backend.lookMany(packed)
    assert.deepEqual(look, { missing: [none], failure: null })
    assert.equal(objects.countOf('head'), 2)
    await backend.lookMany(digestToBytes(digest))
    assert.equal(objects.countOf('head'), 2)
  })

  test('no answer is not missing', async (context) => {
    const { backend, objects, digest } = await makeRig(context)
    objects.fail('head')
    const look = await backend.lookMany(digestToBytes(digest))
    assert.deepEqual(look.missing, [])
    assert.equal(look.failure?.digest, digest)
  })

  // races.md R-65: who holds the gate may be deleting it.
  test('what the ledger says while somebody holds the gate does not count', async (context) => {
    const { backend, gate, ledger, memory, digest, blob, key } = await makeRig(context)
    await backend.put(digest, blob)
    const held = await gate.acquire(digest)
    const look = backend.lookMany(digestToBytes(digest))
    await new Promise((resolve) => setImmediate(resolve))
    await ledger.condemn([key], 0)
    await memory.delete([key])
    await ledger.acquit([key])
    held[Symbol.dispose]()
    assert.deepEqual((await look).missing, [digest])
  })

  test('ends with the reason of its signal', async (context) => {
    const { backend, objects, digest } = await makeRig(context)
    const plan = objects.hold('head')
    const abort = new AbortController()
    const look = backend.lookMany(digestToBytes(digest), { signal: abort.signal })
    await plan.arrived
    abort.abort(new Error('enough'))
    plan.release()
    await assert.rejects(look, /enough/)
  })
})

suite('S3Backend.markBad()', () => {
  test('copies, condemns, deletes, in this order', async (context) => {
    const { backend, objects, memory, ledger, digest, blob, key, knows } = await makeRig(context)
    await backend.put(digest, blob)
    memory.plant(`${key}.0.bad`, blob)
    const held = objects.hold('delete')
    const marking = backend.markBad(digest)
    await held.arrived
    assert.equal(knows(), null)
    assert.equal(ledger.isSuspect(key), true)
    held.release()
    assert.equal(await marking, `${key}.1.bad`)
    assert.equal(ledger.isSuspect(key), false)
    assert.deepEqual(memory.keys, [`${key}.0.bad`, `${key}.1.bad`])
  })

  test('a delete that may still be executed leaves a suspect', async (context) => {
    const { backend, objects, memory, ledger, clock, digest, blob, key } = await makeRig(context)
    await backend.put(digest, blob)
    objects.executeAgainLater('delete')
    await backend.markBad(digest)
    assert.equal(ledger.suspectSinceMs(key), clock.now())
    await ledger.acquit([key])
    await backend.put(digest, blob)
    objects.loseAnswer('delete')
    await assert.rejects(backend.markBad(digest), { code: 'CHUNK_NOT_REMOVED' })
    assert.equal(ledger.isSuspect(key), true)
    assert.equal(memory.keys.includes(key), false)
  })
})

// races.md R-60: for a suspect neither 200 nor 412 is final.
suite('S3Backend.provisional', () => {
  async function makeSuspect(context: TestContext, options: { readonly cache?: boolean } = {}) {
    const rig = await makeRig(context, options)
    const { ledger, clock, key, digest } = rig
    await ledger.condemn([key], clock.now())
    const settle = async (): Promise<boolean> => await rig.backend.provisional.settle(digest)
    return { ...rig, settle }
  }

  for (const cache of [false, true]) {
    const where = cache ? 'a file' : 'memory'
    test(`answered 200, then deleted late: put again from ${where}`, async (context) => {
      const rig = await makeSuspect(context, { cache })
      const { backend, memory, clock, ledger, key, digest, blob, knows, settle } = rig
      assert.equal((await backend.put(digest, blob)).duplicate, false)
      assert.equal(knows(), null, 'nothing is certain')
      assert.deepEqual(await backend.provisional.pending(() => true), [digest])
      const settled = settle()
      await clock.advance(REQUEST_LIFE_MS - 1)
      await memory.delete([key])
      assert.equal(ledger.isSuspect(key), true)
      await clock.advance(1)
      assert.equal(await settled, true)
      assert.ok(memory.keys.includes(key))
      assert.deepEqual(knows(), { size: blob.length })
      assert.equal(ledger.isSuspect(key), false)
      assert.deepEqual(await backend.provisional.pending(() => true), [])
    })
  }

  test('answered 412, then deleted late: put again', async (context) => {
    const rig = await makeSuspect(context)
    const { backend, memory, clock, key, digest, blob, settle } = rig
    memory.plant(key, blob)
    assert.equal((await backend.put(digest, blob)).duplicate, true)
    await memory.delete([key])
    assert.equal(await clock.advanceUntil(settle(), 60_000), true)
    assert.ok(memory.keys.includes(key))
  })

  test('what is still there after that is only looked at', async (context) => {
    const { backend, objects, clock, digest, blob, settle } = await makeSuspect(context)
    await backend.put(digest, blob)
    assert.equal(await clock.advanceUntil(settle(), 60_000), true)
    assert.equal(objects.countOf('put'), 1)
    assert.equal(objects.countOf('head'), 1)
  })

  test('another delete meanwhile begins the time anew', async (context) => {
    const { backend, ledger, clock, digest, blob, key, settle } = await makeSuspect(context)
    await backend.put(digest, blob)
    const settled = settle()
    let isOver = false
    void settled.then(() => (isOver = true))
    await clock.advance(REQUEST_LIFE_MS / 2)
    await ledger.renewSuspects([key], clock.now())
    await clock.advance(REQUEST_LIFE_MS / 2)
    assert.equal(isOver, false)
    await clock.advance(REQUEST_LIFE_MS / 2)
    assert.equal(await settled, true)
  })

  test('somebody else acquitted it without a look: it is looked at all the same', async (context) => {
    const rig = await makeSuspect(context)
    const { backend, memory, ledger, digest, blob, key, settle } = rig
    await backend.put(digest, blob)
    await memory.delete([key])
    await ledger.acquit([key])
    assert.deepEqual(await backend.provisional.pending(() => true), [digest])
    assert.equal(await settle(), true)
    assert.ok(memory.keys.includes(key))
  })

  test('a suspect whose time is over is none', async (context) => {
    const { backend, ledger, clock, digest, blob, key, knows } = await makeSuspect(context)
    await clock.advance(REQUEST_LIFE_MS)
    await backend.put(digest, blob)
    assert.equal(ledger.isSuspect(key), false)
    assert.deepEqual(knows(), { size: blob.length })
    assert.deepEqual(await backend.provisional.pending(() => true), [])
  })

  test('a known chunk that is a suspect counts for now, and is missing if it goes', async (context) => {
    const rig = await makeSuspect(context)
    const { backend, memory, clock, digest, blob, key, knows, settle } = rig
    memory.plant(key, blob)
    assert.deepEqual((await backend.lookMany(digestToBytes(digest))).missing, [])
    assert.equal(knows(), null)
    await memory.delete([key])
    assert.equal(await clock.advanceUntil(settle(), 60_000), false)
  })

  test('what nobody needs any more is forgotten', async (context) => {
    const { backend, ledger, digest, blob, key } = await makeSuspect(context, { cache: true })
    await backend.put(digest, blob)
    backend.provisional.release(() => true)
    assert.equal(backend.provisional.hasBytes(digest), true)
    backend.provisional.release(() => false)
    assert.equal(backend.provisional.hasBytes(digest), false)
    await ledger.acquit([key])
    assert.deepEqual(await backend.provisional.pending(() => true), [])
  })

  test('is waited for no longer than the signal lets', async (context) => {
    const { backend, clock, digest, blob } = await makeSuspect(context)
    await backend.put(digest, blob)
    const abort = new AbortController()
    const settled = backend.provisional.settle(digest, abort.signal)
    await clock.untilSleeping()
    abort.abort(new Error('enough'))
    await assert.rejects(settled, /enough/)
  })

  test('a clock that was set back does not make it longer than it is', async (context) => {
    const { backend, clock, digest, blob } = await makeSuspect(context)
    await backend.put(digest, blob)
    clock.setNow(clock.now() - 86_400_000)
    assert.equal(await backend.provisional.waitMs([digest]), REQUEST_LIFE_MS)
  })
})

function flip(blob: Uint8Array): Uint8Array {
  const wrong = new Uint8Array(blob)
  wrong[wrong.length - 1] = (wrong.at(-1) ?? 0) ^ 1
  return wrong
}
