/** The probe sees what a store does, and cleans up (races.md ). */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { cephMissing, openCephStore } from '../../../test/support/ceph.ts'
import { ScriptedObjectStore } from '../../../test/support/scripted-object-store.ts'
import { systemClock } from '../../base/time/clock.ts'
import { MemoryObjectStore } from '../memory-object-store.ts'
import { takesAway } from './probe-requests.ts'
import { probe } from './probe.ts'
import { judge, type Observations, quirksFor } from './verdict.ts'

const clock = systemClock
const GOOD: Observations = {
  ifNoneMatch: 'honoured',
  ifMatch: 'quoted',
  deletes: 'batch',
  listsInPages: true,
  isConsistent: true,
  honoursRange: true,
  copies: true,
  checksContent: true,
  clockOffsetMs: 0,
  versioning: 'off',
  objectLock: 'off',
  expiry: 'none',
}

suite('probe()', () => {
  test('of a bucket in memory: all is well', async () => {
    const objects = new MemoryObjectStore({ clock })
    const { clockOffsetMs, probedMs, ...verdict } = await probe(objects, 'store', { clock })
    assert.ok(Math.abs(clockOffsetMs) < 2_000 && probedMs > 0)
    const { clockOffsetMs: _offset, ...good } = GOOD
    const fine = { isUsable: true, problems: [], remarks: [], honoursIfNoneMatch: true }
    assert.deepEqual(verdict, { ...good, ...fine, checksMd5: false })
    assert.deepEqual(objects.keys, [], 'nothing is left')
  })

  test('of stores that ignore conditions', async () => {
    const objects = new MemoryObjectStore({ clock, ignores: ['absent', 'unchanged'] })
    const verdict = await probe(objects, 'store', { clock })
    assert.deepEqual([verdict.ifNoneMatch, verdict.ifMatch], ['ignored', null])
    assert.deepEqual([verdict.isUsable, verdict.remarks.length], [true, 2])
  })

  test('of a store that refuses a condition', async () => {
    const objects = new ScriptedObjectStore(new MemoryObjectStore({ clock }))
    objects.refuse('put', /absent$/, 'NotImplemented')
    const verdict = await probe(objects, 'store', { clock })
    assert.deepEqual([verdict.ifNoneMatch, verdict.isUsable], ['refused', false])
    assert.match(verdict.problems[0] ?? '', /skip-if-none-match-header/)
  })

  test('of a store that leaves a key of a batch out: one by one', async () => {
    const memory = new MemoryObjectStore({ clock })
    const objects = new ScriptedObjectStore(memory)
    objects.failPartly(/no-17$/)
    const verdict = await probe(objects, 'store', { clock })
    assert.equal(verdict.deletes, 'single')
    assert.deepEqual(quirksFor(verdict, []), ['delete-objects-via-delete-object'])
    assert.deepEqual(memory.keys, [])
  })

  test('an answer that was lost says nothing about the store', async () => {
    const memory = new MemoryObjectStore({ clock })
    const objects = new ScriptedObjectStore(memory)
    // The first of two writes is executed once more when the second is there.
    const late = objects.executeAgainLater('put', /plain$/)
    const held = objects.hold('get', /plain$/)
    const second = objects.hold('get', /plain$/)
    const verdict = probe(objects, 'store', { clock })
    await held.arrived
    held.release()
    await second.arrived
    await late.execute()
    second.release()
    assert.deepEqual([(await verdict).isConsistent, (await verdict).isUsable], [true, true])
  })

  test('what old probes left goes, what young ones make stays', async () => {
    const objects = new MemoryObjectStore({ clock })
    objects.plant('store/.cairn-probe/old/plain', Buffer.from('x'), clock.now() - 2 * 3_600_000)
    objects.plant('store/.cairn-probe/young/plain', Buffer.from('x'))
    await probe(objects, 'store', { clock })
    assert.deepEqual(objects.keys, ['store/.cairn-probe/young/plain'])
  })

  test('of Ceph', { skip: cephMissing ?? false }, async (context) => {
    const objects = await openCephStore(context)
    const { clockOffsetMs, probedMs, ...verdict } = await probe(objects, 'store', { clock })
    assert.ok(Math.abs(clockOffsetMs) < 60_000 && probedMs > 0)
    const { clockOffsetMs: _offset, ...good } = GOOD
    const fine = { isUsable: true, problems: [], remarks: [], honoursIfNoneMatch: true }
    assert.deepEqual(verdict, { ...good, ...fine, ifMatch: 'unquoted', checksMd5: true })
    for await (const page of objects.list('store/')) assert.deepEqual(page.objects, [])
  })

  test('of Ceph with quirks', { skip: cephMissing ?? false }, async (context) => {
    const quirks = ['skip-if-none-match-header', 'delete-objects-via-delete-object'] as const
    const objects = await openCephStore(context, { quirks })
    const verdict = await probe(objects, 'store', { clock })
    assert.deepEqual([verdict.ifNoneMatch, verdict.deletes], ['not sent', 'single'])
    assert.deepEqual([verdict.isUsable, verdict.honoursIfNoneMatch], [true, false])
  })
})

suite('judge()', () => {
  const cases: [Partial<Observations>, RegExp][] = [
    [{ isConsistent: false }, /not seen so at once/],
    [{ listsInPages: false }, /ListObjectsV2/],
    [{ objectLock: 'on' }, /object lock/],
    [{ expiry: 'ours' }, /lifecycle rule/],
  ]
  for (const [seen, text] of cases) {
    test(`${JSON.stringify(seen)} makes a store unusable`, () => {
      const verdict = judge({ ...GOOD, ...seen }, 0)
      assert.equal(verdict.isUsable, false)
      assert.match(verdict.problems.join(), text)
    })
  }
  const niceties: [Partial<Observations>, RegExp][] = [
    [{ versioning: 'on' }, /old versions/],
    [{ expiry: 'unknown' }, /does not tell its lifecycle/],
    [{ clockOffsetMs: -70_000 }, /clocks/],
    [{ checksContent: false }, /checksum/],
    [{ honoursRange: false }, /whole objects/],
  ]
  for (const [seen, text] of niceties) {
    test(`${JSON.stringify(seen)} is only remarked`, () => {
      const verdict = judge({ ...GOOD, ...seen }, 0)
      assert.deepEqual([verdict.isUsable, verdict.problems], [true, []])
      assert.match(verdict.remarks.join(), text)
    })
  }
})

suite('takesAway()', () => {
  const rule = { Status: 'Enabled', Expiration: { Days: 30 } } as const
  const table: [string, Parameters<typeof takesAway>[0], boolean][] = [
    ['a rule for the whole bucket', rule, true],
    ['a rule below our prefix', { ...rule, Filter: { Prefix: 'store/.cnt/' } }, true],
    ['a rule above our prefix', { ...rule, Filter: { Prefix: 'st' } }, true],
    ['the old form of a rule', { ...rule, Prefix: 'store/' }, true],
    [
      'both, for big objects',
      { ...rule, Filter: { And: { Prefix: 'store/', ObjectSizeGreaterThan: 1 } } },
      true,
    ],
    [
      'to an archive',
      { Status: 'Enabled', Prefix: '', Transitions: [{ StorageClass: 'GLACIER' }] },
      true,
    ],
    [
      'to a cheaper class',
      { Status: 'Enabled', Prefix: '', Transitions: [{ StorageClass: 'STANDARD_IA' }] },
      false,
    ],
    ['of another prefix', { ...rule, Filter: { Prefix: 'logs/' } }, false],
    ['of objects with a tag', { ...rule, Filter: { Tag: { Key: 'a', Value: 'b' } } }, false],
    ['switched off', { ...rule, Status: 'Disabled' }, false],
    [
      'of old versions',
      { Status: 'Enabled', Prefix: '', NoncurrentVersionExpiration: { NoncurrentDays: 1 } },
      false,
    ],
    [
      'of delete markers',
      { Status: 'Enabled', Prefix: '', Expiration: { ExpiredObjectDeleteMarker: true } },
      false,
    ],
  ]
  for (const [name, given, expected] of table) {
    test(name, () => assert.equal(takesAway(given, 'store/'), expected))
  }
})
