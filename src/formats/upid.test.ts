import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { fc } from '../../test/support/fast-check.ts'

import { CairnError } from '../base/errors.ts'
import {
  formatTaskEndLine,
  formatTaskStatus,
  parseTaskEndLine,
  parseTaskStatus,
  type TaskStatus,
} from './task-status.ts'
import { escapeWorkerId, formatUpid, parseUpid, unescapeWorkerId, upidText } from './upid.ts'

const STOCK = String.raw`UPID:vm:00003F60:00027311:0000007B:6B016C23:backup:fxgold\x3ahost-legacy:admin@pbs!ref:`

suite('upid', () => {
  test('parseUpid() reads one of stock', () => {
    assert.deepEqual(parseUpid(STOCK), {
      node: 'vm',
      pid: 0x3f60,
      pstart: 0x27311,
      taskId: 0x7b,
      startTime: 0x6b016c23,
      workerType: 'backup',
      workerId: 'fxgold:host/legacy',
      authId: 'admin@pbs!ref',
    })
    assert.equal(formatUpid(parseUpid(STOCK)), STOCK)
  })

  test('parseUpid() tells an empty worker id from none of its own', () => {
    const text = 'UPID:vm:00003F60:00027311:0000007B:6B016C23:termproxy::root@pam:'
    assert.equal(parseUpid(text).workerId, null)
    assert.equal(formatUpid(parseUpid(text)), text)
  })

  test('parseUpid() takes long process starts and task ids', () => {
    const text = 'UPID:a-b:00003F60:123456789:0000000123456789:6B016C23:gc:x:root@pam:'
    assert.equal(parseUpid(text).pstart, 0x123456789)
    assert.equal(parseUpid(text).taskId, 0x123456789)
  })

  test('parseUpid() refuses other texts', () => {
    const bad = [
      '',
      'UPID:',
      STOCK.slice(0, -1),
      STOCK.replace('00003F60', '3F60'),
      `${STOCK}\n`,
      STOCK.replace('vm', '-vm'),
    ]
    bad.push(
      STOCK.replace('x3a', 'xzz'),
      STOCK.replace('x3a', 'xff'),
      STOCK.replace('0000007B', 'FFFFFFFFFFFFFFFF'),
    )
    for (const text of bad) assert.throws(() => upidText(text), { code: 'UPID_INVALID' }, text)
  })

  test('unescapeWorkerId() is the inverse of escapeWorkerId()', () => {
    assert.equal(escapeWorkerId('store:ns/type-x'), String.raw`store\x3ans-type\x2dx`)
    assert.equal(escapeWorkerId('.hidden/ü'), String.raw`\x2ehidden-\xc3\xbc`)
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (id) => {
        const escaped = escapeWorkerId(id)
        assert.match(escaped, /^[0-9A-Za-z_.\\-]*$/)
        assert.equal(unescapeWorkerId(escaped), id)
      }),
    )
  })

  test('hostile texts give typed errors only', () => {
    const text = fc.oneof(
      fc.string(),
      fc.stringMatching(/^UPID(:[0-9A-F]{8}){5}:\w+:[\\x0-9a-f-]*:\w+@pam:$/),
    )
    fc.assert(
      fc.property(text, (text) => {
        try {
          parseUpid(text)
        } catch (error) {
          assert.ok(error instanceof CairnError)
        }
      }),
    )
  })
})

suite('task status', () => {
  const rows: [string, TaskStatus][] = [
    ['OK', { kind: 'ok' }],
    ['WARNINGS: 4', { kind: 'warning', count: 4 }],
    ['unknown', { kind: 'unknown' }],
    ['Not a directory (os error 20)', { kind: 'error', message: 'Not a directory (os error 20)' }],
  ]

  test('parseTaskStatus() and formatTaskStatus() are inverse', () => {
    for (const [text, status] of rows) {
      assert.deepEqual(parseTaskStatus(text), status)
      assert.equal(formatTaskStatus(status), text)
    }
    assert.equal(formatTaskStatus({ kind: 'error', message: 'a\nb\r\n c' }), 'a b c')
  })

  test('parseTaskEndLine() reads the last line of a log, with and without its time', () => {
    const stamp = '2026-11-21T10:07:41+00:00: '
    assert.deepEqual(parseTaskEndLine(`${stamp}TASK OK`), { kind: 'ok' })
    assert.deepEqual(parseTaskEndLine('TASK WARNINGS: 1'), { kind: 'warning', count: 1 })
    const failed = { kind: 'error', message: 'OK' } as const
    assert.deepEqual(parseTaskEndLine(`${stamp}TASK ERROR: OK`), failed)
    assert.equal(formatTaskEndLine(failed), 'TASK ERROR: OK')
    for (const line of ['', `${stamp}POST /fixed_chunk: 400 Bad Request`, 'TASK', 'TASK MAYBE']) {
      assert.deepEqual(parseTaskEndLine(line), { kind: 'unknown' })
    }
  })
})
