import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { makeChunk } from '../../test/support/test-store.ts'
import { type Digest, digestFromBytes } from '../formats/digest.ts'
import { MemoryBackend } from '../storage/memory-backend.ts'
import { ChunkStore } from './chunk-store.ts'
import { Gate } from './uploads/gate.ts'
import { LiveSessions } from './uploads/session-digests.ts'

function makeRig() {
  const backend = new MemoryBackend('s')
  const gate = new Gate()
  const sessions = new LiveSessions()
  const store = new ChunkStore(backend, { gate, sessions })
  const join = () => {
    const failures: Error[] = []
    const digests = sessions.createDigests()
    const fail = (reason: Error): void => void failures.push(reason)
    sessions.add({ digests, journalId: null, fail })
    return { digests, failures }
  }
  return { backend, gate, sessions, store, join }
}

suite('ChunkStore', () => {
  // races.md 9.4 rule 2: registering after the gate opened is a hole that a collection fits into.
  test('a digest is registered while its gate is held, after the chunk is there', async () => {
    const { backend, gate, sessions, store, join } = makeRig()
    const { digests } = join()
    const { digest, blob, size } = await makeChunk('one')
    const seen: { digest: Digest; free: boolean; there: boolean }[] = []
    const { promise, resolve } = Promise.withResolvers<void>()
    sessions.onRegister = (bytes, offset) => {
      const registered = digestFromBytes(bytes, offset)
      const free = gate.tryAcquire(registered) !== null
      void backend.stat(registered).then((stat) => {
        seen.push({ digest: registered, free, there: stat !== null })
        resolve()
      })
    }
    await store.insert(digest, { blob, size }, digests)
    await promise
    assert.deepEqual(seen, [{ digest, free: false, there: true }])
    assert.equal(gate.size, 0)
  })

  test('whatever throws, the gate opens and nothing is registered without a chunk', async (context) => {
    const { backend, gate, sessions, store, join } = makeRig()
    const { digests } = join()
    const { digest, blob, size } = await makeChunk('one')
    context.mock.method(backend, 'put', async () => await Promise.reject(new Error('disk full')), {
      times: 1,
    })
    await assert.rejects(store.insert(digest, { blob, size }, digests), /disk full/)
    assert.equal(gate.size, 0)
    assert.equal(digests.has(digest), false)
    sessions.onRegister = () => {
      throw new Error('bug in a collection')
    }
    await assert.rejects(store.insert(digest, { blob, size }, digests), /bug in a collection/)
    assert.equal(gate.size, 0)
    sessions.onRegister = null
    assert.equal((await store.insert(digest, { blob, size }, digests)).duplicate, true)
  })

  test('many uploads: the gate holds only what is on its way', async () => {
    const { gate, store, join } = makeRig()
    const { digests } = join()
    const chunks = await Promise.all(
      Array.from({ length: 20 }, (_, number) => makeChunk(`c${number % 7}`)),
    )
    let largest = 0
    await Promise.all(
      chunks.map(async ({ digest, blob, size }) => {
        await store.insert(digest, { blob, size }, digests)
        largest = Math.max(largest, gate.size)
      }),
    )
    assert.ok(largest <= 7)
    assert.equal(gate.size, 0)
    assert.equal(digests.count, 7)
  })

  test('markBad() fails exactly the sessions that rely on the chunk', async () => {
    const { store, join } = makeRig()
    const [holder, other] = [join(), join()]
    const { digest, blob, size } = await makeChunk('one')
    await store.insert(digest, { blob, size }, holder.digests)
    assert.equal(await store.markBad(digest, async () => false), null)
    assert.equal(holder.failures.length, 0)
    assert.notEqual(await store.markBad(digest, async () => true), null)
    assert.equal(holder.failures.length, 1)
    assert.equal(other.failures.length, 0)
    assert.equal(await store.stat(digest), null)
    await store.insert(digest, { blob, size }, other.digests)
    assert.notEqual(await store.stat(digest), null)
  })
})

suite('SessionDigests', () => {
  test('what may be appended, and what the finish look must see', async () => {
    const { join } = makeRig()
    const { digests } = join()
    const names = ['written', 'duplicate', 'known', 'cloned', 'revoked', 'unused'] as const
    const chunks = await Promise.all(names.map(makeChunk))
    const digestOf = (name: (typeof names)[number]): Digest => chunks[names.indexOf(name)]!.digest
    digests.register(digestOf('written'), { size: 16 << 20, origin: 'written' })
    digests.allow(digestOf('written'), 16 << 20)
    digests.register(digestOf('duplicate'), { size: 2, origin: 'duplicate' })
    assert.equal(
      digests.appendableSize(digestOf('duplicate')),
      undefined,
      'not before it is allowed',
    )
    digests.allow(digestOf('duplicate'), 2)
    digests.register(digestOf('known'), { size: 3, origin: 'known' })
    digests.register(digestOf('cloned'), { size: 4, origin: 'cloned' })
    digests.register(digestOf('revoked'), { size: 5, origin: 'known' })
    digests.revoke(digestOf('revoked'))
    digests.register(digestOf('unused'), { size: 6, origin: 'known' })
    const sizes = names.map((name) => digests.appendableSize(digestOf(name)))
    assert.deepEqual(sizes, [16 << 20, 2, 3, undefined, undefined, 6])
    for (const name of names.slice(0, 5)) digests.markUsed(digestOf(name))
    const packed = digests.usedButNotWritten()
    const relied = Array.from({ length: packed.length / 32 }, (_, index) =>
      digestFromBytes(packed, index * 32),
    )
    const expected = (['duplicate', 'known', 'cloned', 'revoked'] as const).map(digestOf)
    assert.deepEqual(relied.toSorted(), expected.toSorted())
    // Uploaded after all, and kept in the use that an index has made of it.
    digests.register(digestOf('known'), { size: 3, origin: 'written' })
    assert.equal(digests.usedButNotWritten().length, 3 * 32)
    assert.equal(digests.appendableSize(digestOf('known')), 3)
    digests.register(digestOf('written'), { size: 7, origin: 'known' })
    assert.equal(digests.appendableSize(digestOf('written')), 7, 'a later size wins')
    assert.ok(digests.isWritten(digestOf('written')))
  })
})
