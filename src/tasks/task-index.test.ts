import assert from 'node:assert/strict'
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { systemClock } from '../base/time/clock.ts'
import { formatIndexLine, parseIndex, parseIndexLine } from './index-line.ts'
import { readLogPage, readTaskEnd } from './read-log.ts'
import { TaskRegistry } from './task-registry.ts'

const FIXTURES = new URL('../../test/fixtures/tasks/', import.meta.url)

interface Recorded {
  readonly log: string
  readonly upid: string
  readonly worker_type: string
  readonly worker_id: string
  readonly endtime: string
  readonly status: string
}

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-tasks-'))
})
afterEach(async () => await rm(folder, { recursive: true }))

async function open(): Promise<TaskRegistry> {
  return await TaskRegistry.open({
    fs: nodeFileSystem,
    clock: systemClock,
    paths: { tasks: folder },
    node: 'vm',
    processes: { isAlive: async () => false },
  })
}

async function recorded(): Promise<Recorded[]> {
  return JSON.parse(await readFile(new URL('index.json', FIXTURES), 'utf8')) as Recorded[]
}

suite('the archive of a stock server', () => {
  test('parseIndexLine() and formatIndexLine() give every line back', async () => {
    const text = await readFile(new URL('archive', FIXTURES), 'utf8')
    const lines = text.trimEnd().split('\n')
    assert.ok(lines.length > 30)
    for (const line of lines) {
      const entry = parseIndexLine(line)
      assert.ok(entry, line)
      assert.equal(formatIndexLine(entry), line)
    }
  })

  test('readTaskEnd() reads from each log what the archive says', async () => {
    const text = await readFile(new URL('archive', FIXTURES), 'utf8')
    const byUpid = new Map(parseIndex(text).map((entry) => [entry.text, entry]))
    let count = 0
    for (const { upid, log } of await recorded()) {
      const entry = byUpid.get(upid)
      if (entry === undefined) continue
      const path = new URL(log, FIXTURES).pathname
      const end = await readTaskEnd(nodeFileSystem, path, entry.upid.startTime)
      // After an aborted backup another line follows the closing one; the list knows better (rest-api.md 4.4).
      const last = (await readFile(path, 'utf8')).trimEnd().split('\n').at(-1) ?? ''
      const isClosed = last.includes(': TASK ')
      assert.deepEqual(end?.status, isClosed ? entry.end?.status : { kind: 'unknown' }, log)
      if (isClosed) count += 1
    }
    assert.ok(count > 25, `${count} logs compared`)
  })

  test('list() gives its tasks, newest end first, and finds them by filter', async () => {
    await cp(new URL('archive', FIXTURES), join(folder, 'archive'))
    const tasks = await open()
    const { items, total } = await tasks.list({ limit: 5 })
    assert.equal(items.length, 5)
    assert.equal(total, 6)
    const all = await tasks.list()
    assert.deepEqual(all.items.slice(0, 5), items)
    assert.equal(all.total, all.items.length)
    const second = await tasks.list({ start: 5, limit: 5 })
    assert.deepEqual(second.items, all.items.slice(5, 10))
    const failed = await tasks.list({ statusFilter: ['error'] })
    assert.ok(failed.items.length > 0)
    assert.ok(failed.items.every(({ status }) => status !== 'OK' && !status?.startsWith('WARN')))
    const gold = await tasks.list({ store: 'fxgold', typeFilter: 'backup' })
    assert.ok(gold.items.some(({ worker_id: id }) => id === 'fxgold:host/legacy'))
    assert.ok(gold.items.every(({ worker_type: type }) => type === 'backup'))
    const job = await tasks.list({ typeFilter: 'syncjob', store: 'fxrest' })
    assert.ok(job.items.length > 0)
    const since = all.items[3]?.starttime ?? 0
    const newer = await tasks.list({ since })
    assert.ok(newer.items.length > 0)
    assert.ok(newer.items.every(({ starttime }) => starttime >= since))
  })

  test('readLogPage() numbers lines as the stock client expects them', async () => {
    const path = new URL('logs/backup-pxar-ok.log', FIXTURES).pathname
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
    const page = await readLogPage(nodeFileSystem, path, { start: 1, limit: 3 })
    assert.equal(page.total, lines.length)
    assert.deepEqual(
      page.lines,
      lines.slice(0, 3).map((t, index) => ({ n: index + 1, t })),
    )
  })
})

suite('the archive that grows', () => {
  test('is rotated, stays readable, and logs older than its oldest entry go', async () => {
    await cp(new URL('archive', FIXTURES), join(folder, 'archive'))
    const old = 'UPID:vm:00003F60:00027311:0000007B:6B016C23:backup:a:admin@pbs:'
    const line = `${old} 6B016C24 OK\n`
    await writeFile(join(folder, 'archive'), line.repeat(Math.ceil((512 * 1024) / line.length)))
    await mkdir(join(folder, '11'))
    const forgotten = join(folder, '11', old)
    await writeFile(forgotten, 'x\n')
    await utimes(forgotten, 1, 1)
    let tasks = await open()
    const start = { type: 'verify', id: 'a', authId: 'admin@pbs' }
    const { upid, done } = await tasks.start(start, async () => {})
    await done
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.startsWith('archive')),
      ['archive.1.zst'],
    )
    tasks = await open()
    const { items } = await tasks.list({ limit: 2 })
    assert.deepEqual(
      items.map((item) => item.upid),
      [upid, old],
    )
    // Nothing fell off the end yet, so nothing is too old.
    assert.equal((await stat(forgotten)).isFile(), true)
    const newest = await readFile(join(folder, 'archive.1.zst'))
    await writeFile(join(folder, 'archive.19.zst'), newest)
    await writeFile(join(folder, 'archive'), line.repeat(Math.ceil((512 * 1024) / line.length)))
    await (await tasks.start(start, async () => {})).done
    await assert.rejects(stat(forgotten), { code: 'ENOENT' })
    assert.equal((await tasks.status(upid)).exitStatus, 'OK')
  })
})
