/** What every ObjectStore promises, run by each implementation (datastore-semantics.md 19.2, races.md ). */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test, type TestContext } from 'node:test'
import { systemClock } from '../../src/base/time/clock.ts'
import { MemoryObjectStore } from '../../src/storage/memory-object-store.ts'
import type { ListPage, ObjectStore, PutCondition } from '../../src/storage/object-store.ts'
import { cephMissing, openCephStore } from '../support/ceph.ts'

const ALWAYS: PutCondition = { kind: 'always' }
const ABSENT: PutCondition = { kind: 'absent' }

interface Implementation {
  readonly make: (context: TestContext) => Promise<ObjectStore>
  readonly missing: string | null
  /** Objects of the bulk test; real ones take some milliseconds each. */
  readonly bulkCount: number
}

const STORES: Record<string, Implementation> = {
  memory: {
    make: async () => new MemoryObjectStore({ clock: systemClock }),
    missing: null,
    bulkCount: 2_105,
  },
  'Ceph over TLS, pinned': { make: openCephStore, missing: cephMissing, bulkCount: 1_005 },
  'Ceph, one DELETE for each key': {
    make: async (context) =>
      await openCephStore(context, { quirks: ['delete-objects-via-delete-object'] }),
    missing: cephMissing,
    bulkCount: 40,
  },
}

async function listAll(store: ObjectStore, prefix: string, options = {}): Promise<ListPage[]> {
  const pages: ListPage[] = []
  for await (const page of store.list(prefix, options)) pages.push(page)
  return pages
}

function keysOf(pages: readonly ListPage[]): string[] {
  return pages.flatMap((page) => page.objects.map(({ key }) => key))
}

for (const [name, { make: makeStore, missing, bulkCount }] of Object.entries(STORES)) {
  suite(`ObjectStore: ${name}`, { skip: missing ?? false }, () => {
    test('put() and get() of whole bodies, ranges, nothing', async (context) => {
      const store = await makeStore(context)
      const body = Buffer.from('many words '.repeat(1000))
      const etag = createHash('md5').update(body).digest('hex')
      const answer = await store.put('s/.chunks/a', body, { condition: ALWAYS })
      assert.deepEqual(answer, { outcome: 'written', etag, isLate: false })
      const found = await store.get('s/.chunks/a')
      assert.ok(found !== null)
      assert.deepEqual(Buffer.from(found.body), body)
      assert.deepEqual([found.key, found.size, found.etag], ['s/.chunks/a', body.length, etag])
      const part = await store.get('s/.chunks/a', { range: { from: 5, to: 10 } })
      assert.equal(Buffer.from(part?.body ?? []).toString(), 'words')
      assert.equal(part?.size, body.length, 'the size of the object, not of the part')
      assert.equal(await store.get('s/.chunks/b'), null)
      assert.equal(await store.head('s/.chunks/b'), null)
      const info = await store.head('s/.chunks/a')
      assert.deepEqual([info?.size, info?.etag], [body.length, etag])
      const now = await store.now()
      assert.ok(Math.abs(now - (info?.modifiedMs ?? 0)) < 60_000, 'the time of the store')
    })

    test('an empty object is an object', async (context) => {
      const store = await makeStore(context)
      await store.put('s/.cnt/ns/a/.namespace', new Uint8Array(), { condition: ABSENT })
      assert.equal((await store.get('s/.cnt/ns/a/.namespace'))?.body.length, 0)
      assert.equal((await store.head('s/.cnt/ns/a/.namespace'))?.size, 0)
    })

    test('put() with the condition absent keeps what is there', async (context) => {
      const store = await makeStore(context)
      const first = await store.put('k', Buffer.from('first'), { condition: ABSENT })
      assert.equal(first.outcome, 'written')
      const second = await store.put('k', Buffer.from('second'), { condition: ABSENT })
      assert.deepEqual(second, { outcome: 'kept', etag: '', isLate: false })
      assert.equal(Buffer.from((await store.get('k'))?.body ?? []).toString(), 'first')
    })

    test('put() with the condition absent, many at once: one is written', async (context) => {
      const store = await makeStore(context)
      const bodies = Array.from({ length: 8 }, (_, number) => Buffer.from(`body ${number}`))
      const answers = await Promise.all(
        bodies.map(async (body) => await store.put('k', body, { condition: ABSENT })),
      )
      const written = answers.flatMap(({ outcome }, index) =>
        outcome === 'written' ? [index] : [],
      )
      assert.equal(written.length, 1)
      const kept = Buffer.from((await store.get('k'))?.body ?? []).toString()
      assert.equal(kept, `body ${written[0]}`)
    })

    test('put() with the condition unchanged replaces only what it was told of', async (context) => {
      const store = await makeStore(context)
      const { etag } = await store.put('k', Buffer.from('first'), { condition: ALWAYS })
      const unchanged = { kind: 'unchanged', etag } as const
      const second = await store.put('k', Buffer.from('second'), { condition: unchanged })
      assert.equal(second.outcome, 'written')
      const third = await store.put('k', Buffer.from('third'), { condition: unchanged })
      assert.equal(third.outcome, 'kept')
      assert.equal(Buffer.from((await store.get('k'))?.body ?? []).toString(), 'second')
      const again = { kind: 'unchanged', etag: second.etag } as const
      const fourth = await store.put('k', Buffer.from('fourth'), { condition: again })
      assert.equal(fourth.outcome, 'written', 'the form that the store takes is known now')
      const missing = await store.put('none', Buffer.from('x'), { condition: unchanged })
      assert.equal(missing.outcome, 'kept')
      assert.equal(await store.head('none'), null)
    })

    test('copy() replaces; there may be no source', async (context) => {
      const store = await makeStore(context)
      await store.put('s/a b+c', Buffer.from('source'), { condition: ALWAYS })
      await store.put('s/target', Buffer.from('old'), { condition: ALWAYS })
      assert.deepEqual(await store.copy('s/a b+c', 's/target'), { isFound: true, isLate: false })
      assert.equal(Buffer.from((await store.get('s/target'))?.body ?? []).toString(), 'source')
      assert.deepEqual(await store.copy('s/none', 's/target'), { isFound: false, isLate: false })
      assert.equal(Buffer.from((await store.get('s/target'))?.body ?? []).toString(), 'source')
    })

    test('delete() confirms each key by name, a missing one too', async (context) => {
      const store = await makeStore(context)
      const keys = ['s/1', 's/2', 's/<&>"\'%/ü', 's/none']
      for (const key of keys.slice(0, 3))
        await store.put(key, Buffer.from(key), { condition: ALWAYS })
      const answer = await store.delete(keys)
      assert.deepEqual([...answer.deleted].sort(), [...keys].sort())
      assert.deepEqual([answer.failed, answer.isLate], [[], false])
      assert.deepEqual(keysOf(await listAll(store, 's/')), [])
      assert.deepEqual(await store.delete([]), { deleted: [], failed: [], isLate: false })
    })

    test('list() gives all keys in order, in pages, after a key, by folders', async (context) => {
      const store = await makeStore(context)
      const keys = ['s/a/1', 's/a/2', 's/b', 's/c d+e', 's/c/1', 's/c/2/3', 's/ü', 't/x']
      for (const key of keys) await store.put(key, Buffer.from(key), { condition: ALWAYS })
      const [page, ...more] = await listAll(store, 's/')
      assert.deepEqual([page?.objects.map(({ key }) => key), more], [keys.slice(0, 7), []])
      const sizes = page?.objects.map(({ size }) => size)
      assert.deepEqual(
        sizes,
        keys.slice(0, 7).map((key) => Buffer.byteLength(key)),
      )
      const one = page?.objects[0]
      assert.deepEqual(one?.etag, createHash('md5').update('s/a/1').digest('hex'))
      assert.deepEqual(keysOf(await listAll(store, 's/', { after: 's/b' })), keys.slice(3, 7))
      const [folded] = await listAll(store, 's/', { delimiter: '/' })
      assert.deepEqual(
        folded?.objects.map(({ key }) => key),
        ['s/b', 's/c d+e', 's/ü'],
      )
      assert.deepEqual(folded?.folders, ['s/a/', 's/c/'])
      assert.deepEqual(keysOf(await listAll(store, 'none/')), [])
    })

    test('list() pages by 1000; delete() takes as many', async (context) => {
      const store = await makeStore(context)
      const keys = Array.from({ length: bulkCount }, (_, number) => `p/${10_000 + number}`)
      await inGroups(keys, 16, async (key) => {
        await store.put(key, Buffer.from(key), { condition: ABSENT })
      })
      const pages = await listAll(store, 'p/')
      const sizes = pages.map(({ objects }) => objects.length)
      assert.deepEqual(sizes.slice(0, -1), Array(Math.ceil(bulkCount / 1_000) - 1).fill(1_000))
      assert.deepEqual(keysOf(pages), keys)
      const answer = await store.delete(keys.slice(0, 1_000))
      assert.equal(answer.deleted.length, Math.min(1_000, bulkCount))
      assert.deepEqual(keysOf(await listAll(store, 'p/')), keys.slice(1_000))
    })

    test('abort: nothing is sent any more, the reason is thrown', async (context) => {
      const store = await makeStore(context)
      const signal = AbortSignal.abort(new Error('enough'))
      await assert.rejects(
        store.put('k', Buffer.from('x'), { condition: ALWAYS, signal }),
        /enough/,
      )
      await assert.rejects(store.get('k', { signal }), /enough/)
      await assert.rejects(store.delete(['k'], { signal }), /enough/)
      await assert.rejects(listAll(store, '', { signal }), /enough/)
      assert.equal(await store.head('k'), null)
    })

    test('a key that no store takes is refused before it is sent', async (context) => {
      const store = await makeStore(context)
      const key = 'k'.repeat(1_025)
      await assert.rejects(store.head(key), {
        code: 'S3_KEY_TOO_LONG',
        message: 'Object key length of 1025 exceeds limit of 1024',
      })
    })

    test('checkBucket() of a bucket that is there; no uploads in parts', async (context) => {
      const store = await makeStore(context)
      await store.checkBucket()
      assert.equal(await store.abortUploads('s/', { beforeMs: Date.now() + 60_000 }), 0)
    })
  })
}

async function inGroups<Item>(
  items: readonly Item[],
  size: number,
  fn: (item: Item) => Promise<void>,
): Promise<void> {
  for (let index = 0; index < items.length; index += size) {
    await Promise.all(items.slice(index, index + size).map(fn))
  }
}
