/** UPIDs and closing lines of the task logs that stock 4.2.3 wrote. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import {
  formatTaskEndLine,
  formatTaskStatus,
  parseTaskEndLine,
  parseTaskStatus,
} from '../../src/formats/task-status.ts'
import { formatUpid, parseUpid } from '../../src/formats/upid.ts'

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'tasks')

interface TaskRecord {
  readonly log: string
  readonly upid: string
  readonly folder: string
  readonly worker_type: string
  readonly worker_id: string | null
  readonly status?: string
}

const RECORDS = JSON.parse(readFileSync(join(FIXTURES, 'index.json'), 'utf8')) as TaskRecord[]

suite('tasks of stock', () => {
  test('have UPIDs that we read and write alike', () => {
    for (const record of RECORDS) {
      const upid = parseUpid(record.upid)
      assert.equal(upid.workerType, record.worker_type)
      assert.equal(upid.workerId ?? '', record.worker_id ?? '')
      assert.equal(formatUpid(upid), record.upid)
      const folder = (upid.pstart & 0xff).toString(16).toUpperCase().padStart(2, '0')
      assert.equal(folder, record.folder)
    }
    assert.ok(RECORDS.length > 30)
  })

  test('end in lines that tell their status', () => {
    let count = 0
    for (const record of RECORDS) {
      const lines = readFileSync(join(FIXTURES, record.log), 'utf8').trimEnd().split('\n')
      const line = lines.findLast((line) => line.slice(27).startsWith('TASK ')) ?? ''
      const status = parseTaskEndLine(line)
      assert.equal(formatTaskEndLine(status), line.slice(27))
      if (record.status === undefined) continue
      assert.equal(formatTaskStatus(status).trimEnd(), record.status.trimEnd())
      assert.equal(formatTaskStatus(parseTaskStatus(record.status)), record.status)
      count += 1
    }
    assert.ok(count > 30)
  })

  test('are listed in an archive whose lines hold UPID, end and status', () => {
    const lines = readFileSync(join(FIXTURES, 'archive'), 'utf8').trimEnd().split('\n')
    for (const line of lines) {
      const [upid = '', end = '', ...status] = line.split(' ')
      assert.equal(formatUpid(parseUpid(upid)), upid)
      assert.match(end, /^[0-9A-F]{8}$/)
      assert.notEqual(parseTaskStatus(status.join(' ')).kind, 'unknown')
    }
  })
})
