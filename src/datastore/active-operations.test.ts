import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { FaultFileSystem } from '../../test/support/fault-file-system.ts'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { systemClock } from '../base/time/clock.ts'
import { ActiveOperations } from './active-operations.ts'

const LIVING = new Map([
  [10, 1000],
  [11, 1100],
])

const opened = new Set<ActiveOperations>()

async function makeFolder(context: TestContext): Promise<string> {
  // Hooks run in the order of their registration: nobody writes any more when the folder goes.
  context.after(async () => {
    for (const operations of opened) await operations.flush()
    opened.clear()
  })
  return `${await makeTemporaryFolder(context)}/active-operations`
}

/** The books of a pretended process. */
function open(folder: string, pid: number, fs = nodeFileSystem): ActiveOperations {
  const operations = new ActiveOperations({
    fs,
    clock: systemClock,
    folder,
    self: { pid, starttime: LIVING.get(pid) ?? 0 },
    isAlive: async (other, starttime) => LIVING.get(other) === starttime,
  })
  opened.add(operations)
  return operations
}

function entriesOf(folder: string, store: string): unknown {
  return JSON.parse(readFileSync(`${folder}/${store}`, 'utf8'))
}

function entry(pid: number, starttime: number, read: number, write: number): object {
  return { pid, starttime, active_operations: { read, write } }
}

suite('ActiveOperations', () => {
  const skip = process.geteuid?.() === 0 ? false : 'needs root'
  test('gives folder, lock and file to the owner that it was told', { skip }, async (context) => {
    const folder = await makeFolder(context)
    const owner = { uid: 34, gid: 34 }
    const options = { clock: systemClock, folder, self: { pid: 10, starttime: 1000 }, owner }
    const isAlive = async () => false
    const operations = new ActiveOperations({ ...options, fs: nodeFileSystem, isAlive })
    opened.add(operations)
    using _read = operations.begin('a', 'read')
    await operations.flush()
    for (const path of [folder, `${folder}/a`, `${folder}/a.lock`]) {
      const { uid, gid } = statSync(path)
      assert.deepEqual({ uid, gid }, owner, path)
    }
  })

  test('counts by datastore and kind until each is disposed, once', async (context) => {
    const operations = open(await makeFolder(context), 10)
    const write = operations.begin('a', 'write')
    {
      using _read = operations.begin('a', 'read')
      using _other = operations.begin('b', 'read')
      assert.deepEqual(operations.countsOf('a'), { read: 1, write: 1 })
    }
    assert.deepEqual(operations.countsOf('a'), { read: 0, write: 1 })
    write[Symbol.dispose]()
    write[Symbol.dispose]()
    assert.deepEqual(operations.countsOf('a'), { read: 0, write: 0 })
    await operations.flush()
  })

  test("the file is stock's, and keeps zeros", async (context) => {
    const folder = await makeFolder(context)
    const operations = open(folder, 10)
    const write = operations.begin('a', 'write')
    await operations.published('a')
    assert.deepEqual(entriesOf(folder, 'a'), [entry(10, 1000, 0, 1)])
    assert.equal(statSync(`${folder}/a`).mode & 0o777, 0o660)
    write[Symbol.dispose]()
    await operations.flush()
    assert.deepEqual(entriesOf(folder, 'a'), [entry(10, 1000, 0, 0)])
  })

  test('R-53: every process counts, and the dead are dropped', async (context) => {
    const folder = await makeFolder(context)
    const [mine, theirs] = [open(folder, 10), open(folder, 11)]
    using _mine = mine.begin('a', 'write')
    await mine.published('a')
    // Somebody who died: of the second, only the number lives on.
    const dead = [entry(12, 5, 3, 3), entry(11, 7, 1, 1)]
    writeFileSync(`${folder}/a`, JSON.stringify([...(entriesOf(folder, 'a') as object[]), ...dead]))
    assert.deepEqual(await mine.totals('a'), { read: 0, write: 1 })
    using _theirs = theirs.begin('a', 'write')
    await theirs.published('a')
    assert.deepEqual(entriesOf(folder, 'a'), [entry(10, 1000, 0, 1), entry(11, 1100, 0, 1)])
    assert.deepEqual(await mine.totals('a'), { read: 0, write: 2 })
    assert.deepEqual(await theirs.totals('a'), { read: 0, write: 2 })
  })

  test('R-53: taking out of use is refused until the operations of all processes have ended', async (context) => {
    const folder = await makeFolder(context)
    const [mine, theirs] = [open(folder, 10), open(folder, 11)]
    const write = theirs.begin('a', 'write')
    await theirs.published('a')
    assert.equal(await mine.whileIdle('a', () => assert.fail('it is used')), false)
    write[Symbol.dispose]()
    await theirs.flush()
    let isDone = false
    assert.ok(
      await mine.whileIdle('a', async () => {
        isDone = true
      }),
    )
    assert.ok(isDone)
  })

  test('who begins while the datastore is taken out of use waits for the end of it', async (context) => {
    const folder = await makeFolder(context)
    const faults = new FaultFileSystem(nodeFileSystem)
    const [mine, theirs] = [open(folder, 10), open(folder, 11, faults.fs)]
    const steps: string[] = []
    const tried = Promise.withResolvers<void>()
    faults.onStep(({ name, path }) => {
      if (name === 'open' && path.endsWith('.lock')) tried.resolve()
    })
    let counted: Promise<unknown> = Promise.resolve()
    await mine.whileIdle('a', async () => {
      using _operation = theirs.begin('a', 'read')
      counted = theirs.published('a').then(() => steps.push('counted'))
      await tried.promise
      await nodeFileSystem.stat(folder)
      steps.push('out of use')
    })
    await counted
    await theirs.flush()
    assert.deepEqual(steps, ['out of use', 'counted'])
  })

  test('R-53: who begins while an end is being written waits until it is counted', async (context) => {
    const folder = await makeFolder(context)
    const faults = new FaultFileSystem(nodeFileSystem)
    const [mine, theirs] = [open(folder, 10, faults.fs), open(folder, 11)]
    const first = mine.begin('a', 'write')
    await mine.published('a')
    const writing = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    faults.onStep(async ({ name }) => {
      if (name !== 'rename') return
      writing.resolve()
      await goOn.promise
    })
    first[Symbol.dispose]()
    await writing.promise
    using _second = mine.begin('a', 'write')
    let isCounted = false
    const counted = mine.published('a').then(() => {
      isCounted = true
    })
    await nodeFileSystem.stat(folder)
    const wasCounted = isCounted
    goOn.resolve()
    await counted
    assert.equal(wasCounted, false)
    assert.equal(await theirs.whileIdle('a', async () => {}), false)
  })

  test('a burst shares its writes; a failed one fails who waits for it, and heals', async (context) => {
    const folder = await makeFolder(context)
    const faults = new FaultFileSystem(nodeFileSystem)
    const operations = open(folder, 10, faults.fs)
    const all = Array.from({ length: 50 }, () => operations.begin('a', 'read'))
    await operations.published('a')
    assert.ok(faults.stepNames.filter((name) => name === 'rename').length <= 2)
    faults.reset()
    // The write that it starts itself, and the one that is waited for.
    faults.plan({ at: 1, name: 'rename', errno: 'ENOSPC' })
    faults.plan({ at: 2, name: 'rename', errno: 'ENOSPC' })
    using _write = operations.begin('a', 'write')
    await assert.rejects(operations.published('a'), { code: 'ENOSPC' })
    await operations.published('a')
    assert.deepEqual(entriesOf(folder, 'a'), [entry(10, 1000, 50, 1)])
    for (const operation of all) operation[Symbol.dispose]()
    await operations.flush()
  })

  test('a damaged file is written anew', async (context) => {
    const folder = await makeFolder(context)
    mkdirSync(folder)
    writeFileSync(`${folder}/a`, '[{"pid":"x"},7,{"pid":11,"starttime":1100')
    const operations = open(folder, 10)
    assert.deepEqual(await operations.totals('a'), { read: 0, write: 0 })
    using _read = operations.begin('a', 'read')
    await operations.published('a')
    assert.deepEqual(entriesOf(folder, 'a'), [entry(10, 1000, 1, 0)])
  })
})
