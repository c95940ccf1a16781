import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { FaultFileSystem } from '../../test/support/fault-file-system.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { type Clock, systemClock } from '../base/time/clock.ts'
import type { ProcessTable } from './process-table.ts'
import { TaskRegistry } from './task-registry.ts'

const NOW = 0x6b016c20
const nobody: ProcessTable = { isAlive: async () => false }

let folder: string
let clock: Clock & { nowMs: number }

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cairn-tasks-'))
  clock = { ...systemClock, nowMs: NOW * 1000, now: () => clock.nowMs }
})
afterEach(async () => await rm(folder, { recursive: true }))

async function open(options: { processes?: ProcessTable; pid?: number; fs?: FileSystem } = {}) {
  return await TaskRegistry.open({
    fs: options.fs ?? nodeFileSystem,
    clock,
    paths: { tasks: folder },
    node: 'vm.example.com',
    process: { pid: options.pid ?? 0x3f57, pstart: 0x27307 },
    processes: options.processes ?? nobody,
  })
}

async function lines(name: string): Promise<string[]> {
  return (await readFile(join(folder, name), 'utf8')).split('\n').filter((line) => line !== '')
}

suite('TaskRegistry', () => {
  test('start() writes log, active list and archive as stock does', async () => {
    const tasks = await open()
    const gate = Promise.withResolvers<undefined>()
    const start = { type: 'backup', id: 'fxgold:host/legacy', authId: 'admin@pbs!ref' }
    const { upid, done } = await tasks.start(start, async (task) => {
      task.log('hello')
      await gate.promise
    })
    assert.equal(
      upid,
      'UPID:vm:00003F57:00027307:00000000:6B016C20:backup:fxgold\\x3ahost-legacy:admin@pbs!ref:',
    )
    assert.deepEqual(await lines('active'), [upid])
    assert.equal(tasks.runningCount(), 1)
    clock.nowMs += 3000
    gate.resolve(undefined)
    assert.deepEqual((await done).status, { kind: 'ok' })
    assert.deepEqual(await lines('active'), [])
    assert.deepEqual(await lines('archive'), [`${upid} 6B016C23 OK`])
    const log = await lines(join('07', upid))
    assert.match(log[0] ?? '', /^2026-11-21T\d\d:\d\d:\d\d[+-]\d\d:\d\d: hello$/)
    assert.match(log[1] ?? '', /: TASK OK$/)
    await tasks.idle()
  })

  test('a task that ends while another one is archived is archived, too', async () => {
    const faults = new FaultFileSystem(nodeFileSystem)
    const tasks = await open({ fs: faults.fs })
    const [first, second] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()]
    const start = { type: 'reader', id: 'a', authId: 'admin@pbs' }
    const one = await tasks.start(start, async () => {
      await first.promise
    })
    const two = await tasks.start(start, async () => {
      await second.promise
    })
    const isTwo = ({ upid }: { readonly upid: string }): boolean => upid === two.upid
    // The archive has the first already; the second ends before the list of active ones is replaced.
    faults.onStep(async ({ name }) => {
      if (name !== 'rename') return
      faults.onStep(null)
      second.resolve(undefined)
      while ((await tasks.list({ running: true })).items.some(isTwo));
    })
    first.resolve(undefined)
    await Promise.all([one.done, two.done])
    const archived = (await lines('archive')).map((line) => line.split(' ')[0])
    assert.deepEqual(archived, [one.upid, two.upid])
    assert.deepEqual(await lines('active'), [])
  })

  test('done tells warnings and errors with their causes', async () => {
    const tasks = await open()
    const start = { type: 'verify', id: 'fxgold', authId: 'admin@pbs' }
    const warned = await tasks.start(start, async (task) => {
      task.warn('odd')
      task.warn('warning: odder')
    })
    const failed = await tasks.start(start, async () => {
      throw new Error('outer', { cause: new Error('inner\nmore') })
    })
    assert.deepEqual((await warned.done).status, { kind: 'warning', count: 2 })
    const log = await lines(join('07', warned.upid))
    const texts = ['WARN: odd', 'warning: odder', 'TASK WARNINGS: 2']
    assert.deepEqual(
      log.map((line) => line.slice(line.indexOf(': ') + 2)),
      texts,
    )
    assert.deepEqual((await failed.done).status, { kind: 'error', message: 'outer: inner\nmore' })
    assert.equal((await tasks.status(warned.upid)).exitStatus, 'WARNINGS: 2')
    assert.equal((await tasks.status(failed.upid)).exitStatus, 'outer: inner more')
    assert.deepEqual(
      (await lines('archive')).map((line) => line.slice(line.lastIndexOf(': ') + 2)).length,
      2,
    )
  })

  test('abort() ends a task with the text of stock', async () => {
    const tasks = await open()
    const start = { type: 'verify', id: 'fxgold', authId: 'admin@pbs' }
    const { upid, done } = await tasks.start(start, async (task) => {
      await new Promise((_resolve, reject) => {
        task.signal.addEventListener('abort', () => reject(task.signal.reason))
      })
    })
    assert.equal(tasks.abort(upid), true)
    assert.deepEqual((await done).status, {
      kind: 'error',
      message: 'abort requested - aborting task',
    })
    assert.equal(tasks.abort(upid), false)
  })

  test('readLog() gives pages of a log that grows, and says whether more may come', async () => {
    const tasks = await open()
    const gate = Promise.withResolvers<undefined>()
    const start = { type: 'verify', id: 'fxgold', authId: 'admin@pbs' }
    const { upid, done } = await tasks.start(start, async (task) => {
      for (let index = 1; index <= 5; index += 1) task.log(`line ${index}`)
      await gate.promise
    })
    const page = await tasks.readLog(upid, { start: 2, limit: 2 })
    assert.deepEqual(
      page.lines.map(({ n, t }) => `${n} ${t.slice(27)}`),
      ['2 line 2', '3 line 3'],
    )
    assert.equal(page.total, 5)
    assert.equal(page.active, true)
    gate.resolve(undefined)
    await done
    const rest = await tasks.readLog(upid, { start: 0, limit: 0 })
    assert.equal(rest.total, 6)
    assert.equal(rest.active, false)
    const beyond = await tasks.readLog(upid, { start: 9, limit: 5 })
    assert.deepEqual([beyond.lines.length, beyond.total], [0, 6])
  })

  test('readWholeLog() gives a long log in portions, and its length', async () => {
    const tasks = await open()
    const start = { type: 'verify', id: 'fxgold', authId: 'admin@pbs' }
    const { upid, done } = await tasks.start(start, async (task) => {
      for (let index = 1; index <= 3_000; index += 1) task.log(`line ${index} ${'.'.repeat(60)}`)
    })
    await done
    const { lines, total } = await tasks.readLog(upid, { start: 2, limit: 0 })
    const { active, portions } = await tasks.readWholeLog(upid, { start: 2 })
    const sizes: number[] = []
    const all: unknown[] = []
    let step = await portions.next()
    for (; step.done !== true; step = await portions.next()) {
      sizes.push(step.value.length)
      all.push(...step.value)
    }
    assert.equal(active, false)
    assert.equal(step.value, total)
    assert.deepEqual(all, lines)
    assert.ok(Math.max(...sizes) < 1_500, sizes.join())
  })

  test('open() archives tasks whose process died, with the status of their log', async () => {
    const dead = 'UPID:vm:00000001:00000011:00000000:6B016C00:verify:a:admin@pbs:'
    const told = 'UPID:vm:00000001:00000011:00000001:6B016C01:verify:a:admin@pbs:'
    const alive = 'UPID:vm:00000002:00000011:00000002:6B016C02:verify:a:admin@pbs:'
    await writeFile(join(folder, 'active'), `${dead}\n${told}\n${alive}\n`)
    await mkdir(join(folder, '11'))
    await writeFile(join(folder, '11', dead), '2026-11-21T10:00:00+00:00: begun\n')
    await writeFile(join(folder, '11', told), '2026-11-21T10:02:11+00:00: TASK ERROR: no: way\n')
    const tasks = await open({ processes: { isAlive: async (pid) => pid === 2 } })
    assert.deepEqual(await lines('active'), [alive])
    assert.deepEqual(await lines('archive'), [
      `${dead} 6B016C00 unknown`,
      `${told} 6B016C23 no: way`,
    ])
    const { items } = await tasks.list()
    assert.deepEqual(
      items.map(({ upid, status }) => [upid, status]),
      [
        [alive, undefined],
        [told, 'no: way'],
        [dead, 'unknown'],
      ],
    )
    assert.equal((await tasks.status(alive)).running, true)
    assert.deepEqual(await tasks.status(told), {
      running: false,
      exitStatus: 'no: way',
      endTime: 0x6b016c23,
    })
  })

  test('tasks started at once all reach the lists, of two registries on one folder too', async () => {
    const first = await open()
    const second = await open({ pid: 0x4000, processes: { isAlive: async () => true } })
    const start = { type: 'verify', id: 'fxgold', authId: 'admin@pbs' }
    const starts = [first, second].flatMap((tasks) =>
      Array.from({ length: 20 }, () => tasks.start(start, async () => {})),
    )
    const started = await Promise.all(starts)
    await Promise.all(started.map(({ done }) => done))
    await first.idle()
    await second.idle()
    const archived = (await lines('archive')).map((line) => line.split(' ')[0])
    const missing = started.filter(({ upid }) => !archived.includes(upid))
    assert.equal(missing.length, 0)
  })

  test('a log that is missing is told as stock tells it, a path in an id reads no other file', async () => {
    const tasks = await open()
    const upid = 'UPID:vm:00000001:00000011:00000000:6B016C00:verify:a:admin@pbs:'
    const missing = { code: 'TASK_LOG_MISSING', message: 'No such file or directory (os error 2)' }
    await assert.rejects(tasks.readLog(upid, { start: 0, limit: 0 }), missing)
    assert.equal((await tasks.status(upid)).exitStatus, 'unknown')
    await writeFile(join(folder, 'secret'), 'x\n')
    const evil = 'UPID:vm:00000001:00000011:00000000:6B016C00:/../../secret:a:admin@pbs:'
    await assert.rejects(tasks.readLog(evil, { start: 0, limit: 0 }), missing)
  })
})
