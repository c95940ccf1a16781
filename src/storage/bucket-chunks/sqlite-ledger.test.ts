import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { randomBytes } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { suite, test, type TestContext } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import type { Log } from '../../base/log.ts'
import { type Digest, digestFromBytes, DIGEST_SIZE, digestToBytes } from '../../formats/digest.ts'
import { REQUEST_LIFE_MS } from '../ledger.ts'
import { chunkKey } from './chunk-keys.ts'
import { SqliteLedger } from './sqlite-ledger.ts'

const A = 'a1'.padEnd(64, '0') as Digest
const KEY_A = `store1/.chunks/a100/${A}`
const MINUTE_MS = 60_000
/** A process that adds and condemns without end. */
const LOAD = join(import.meta.dirname, '../../../test/crash/ledger-load.ts')

async function makeRig(context: TestContext) {
  const folder = await makeTemporaryFolder(context)
  const path = `${folder}/ledger.sqlite`
  const clock = new FakeClock()
  const lines: string[] = []
  const warn = (message: string): void => void lines.push(message)
  const log: Log = { debug() {}, info() {}, warn, error: warn }
  const open = async (): Promise<SqliteLedger> => {
    const ledger = await SqliteLedger.open(nodeFileSystem, { path, clock, log })
    context.after(async () => await ledger.close())
    return ledger
  }
  return { folder, path, clock, lines, open }
}

function knows(ledger: SqliteLedger, digest: Digest) {
  return ledger.knowsAt(digestToBytes(digest), 0)
}

suite('SqliteLedger', () => {
  test('keeps everything from one run to the next, and counts', async (context) => {
    const { open, clock } = await makeRig(context)
    const first = await open()
    first.add(A, 7)
    await first.setHolder({ holderId: 'h', generation: 1, nonce: 'n', pending: null })
    await first.condemn(['store1/.cnt/x'], clock.now())
    await first.close()
    const second = await open()
    assert.deepEqual(knows(second, A), { size: 7 })
    assert.equal(second.count, 1)
    assert.equal(second.holder?.generation, 1)
    assert.equal(second.isSuspect('store1/.cnt/x'), true)
  })

  // races.md R-60: the killed process may have repeated the request until its end.
  test('a restart begins the time of suspects anew, and ends it for those of long ago', async (context) => {
    const { open, clock } = await makeRig(context)
    const first = await open()
    await first.condemn(['old'], clock.now())
    await clock.advance(90 * MINUTE_MS)
    await first.condemn([KEY_A], clock.now())
    await first.close()
    await clock.advance(5 * MINUTE_MS)
    const second = await open()
    assert.deepEqual(await second.suspects(), [{ key: KEY_A, lastMs: clock.now() }])
  })

  test('two of one file see each other at once', async (context) => {
    const { open, clock } = await makeRig(context)
    const one = await open()
    const two = await open()
    one.add(A, 7)
    await one.flush()
    assert.deepEqual(knows(two, A), { size: 7 })
    await two.condemn([KEY_A], clock.now())
    assert.equal(knows(one, A), null)
    assert.equal(one.isSuspect(KEY_A), true)
    await one.setHolder({ holderId: 'h', generation: 2, nonce: 'n', pending: null })
    assert.equal(two.holder?.generation, 2)
    one.drop(A)
    await one.acquit([KEY_A])
    assert.equal(two.isSuspect(KEY_A), false)
  })

  test('what another process condemned is unknown here as soon as it says so', async (context) => {
    const { open, path } = await makeRig(context)
    const ledger = await open()
    const child = spawn(process.execPath, [LOAD, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    let batches = 0
    for await (const line of createInterface(child.stdout)) {
      for (const digest of JSON.parse(line) as Digest[]) {
        assert.equal(knows(ledger, digest), null)
        assert.ok(ledger.isSuspect(chunkKey('store1', digest)))
        ledger.add(digest, 1)
      }
      batches += 1
      if (batches === 20) break
    }
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    assert.equal(batches, 20)
    await ledger.flush()
  })

  test('another process that writes keeps nobody from asking and adding', async (context) => {
    const { open, path } = await makeRig(context)
    const ledger = await open()
    ledger.add(A, 7)
    await ledger.flush()
    using other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const b = 'bb'.padEnd(64, '0') as Digest
    ledger.add(b, 1)
    ledger.drop(A)
    assert.deepEqual(knows(ledger, b), { size: 1 })
    assert.equal(knows(ledger, A), null)
    other.exec('COMMIT')
    await ledger.close()
    const again = await open()
    assert.deepEqual(knows(again, b), { size: 1 })
    assert.equal(knows(again, A), null)
  })

  // races.md R-65: what this process noted may be of an object that another one deleted before it was written.
  test('what was noted before another process condemned is not written, nor believed', async (context) => {
    const { open, path, clock } = await makeRig(context)
    const one = await open()
    const two = await open()
    using lock = new DatabaseSync(path)
    lock.exec('BEGIN IMMEDIATE')
    const b = 'bb'.padEnd(64, '0') as Digest
    one.add(b, 1)
    one.add(A, 1)
    const condemned = two.condemn([KEY_A], clock.now())
    assert.notEqual(knows(one, A), null)
    lock.exec("UPDATE meta SET value = value + 1 WHERE name = 'condemned'")
    lock.exec('COMMIT')
    assert.equal(knows(one, A), null)
    assert.equal(knows(one, b), null)
    await condemned
    await one.flush()
    assert.equal(knows(one, A), null)
    assert.equal(knows(two, b), null)
    // It may hear of the other's condemnation only now, and gives this note up, too.
    one.add(b, 1)
    await one.flush()
    one.add(b, 1)
    await one.flush()
    assert.deepEqual(knows(two, b), { size: 1 })
  })

  test('what this process condemns is unknown at once', async (context) => {
    const { open, path, clock } = await makeRig(context)
    const ledger = await open()
    using lock = new DatabaseSync(path)
    lock.exec('BEGIN IMMEDIATE')
    ledger.add(A, 1)
    assert.notEqual(knows(ledger, A), null)
    const condemned = ledger.condemn([KEY_A], clock.now())
    assert.equal(knows(ledger, A), null)
    lock.exec('COMMIT')
    await condemned
    assert.equal(knows(ledger, A), null)
  })

  test('what this process condemns takes nothing else with it', async (context) => {
    const { open, clock } = await makeRig(context)
    const ledger = await open()
    const b = 'bb'.padEnd(64, '0') as Digest
    ledger.add(A, 1)
    const condemned = ledger.condemn([KEY_A], clock.now())
    ledger.add(b, 1)
    await condemned
    await ledger.flush()
    assert.equal(knows(ledger, A), null)
    assert.deepEqual(knows(ledger, b), { size: 1 })
  })

  test('a file of a later release is refused and stays', async (context) => {
    const { open, path } = await makeRig(context)
    await (await open()).close()
    using file = new DatabaseSync(path)
    file.exec('PRAGMA user_version = 99')
    file.close()
    await assert.rejects(open(), { code: 'LEDGER_TOO_NEW', message: /version 99/ })
    assert.ok(existsSync(path))
  })

  for (const [what, spoil] of [
    ['no database', (path: string) => writeFileSync(path, 'not a database'.repeat(1000))],
    ['a foreign database', makeForeign],
  ] as const) {
    test(`moved aside, everything is a suspect for a while: ${what}`, async (context) => {
      const { open, path, folder, lines, clock } = await makeRig(context)
      spoil(path)
      const ledger = await open()
      assert.equal(ledger.count, 0)
      const aside = readdirSync(folder).filter((name) => name.includes('.damaged-'))
      assert.ok(aside.length >= 1, aside.join())
      assert.deepEqual(lines, ['the ledger is damaged, moved aside and begun anew'])
      assert.equal(ledger.isSuspect(KEY_A), true)
      await clock.advance(REQUEST_LIFE_MS)
      assert.equal(ledger.isSuspect(KEY_A), false)
    })
  }

  test('a file that turns out to be damaged in use is begun anew at the next start, with its suspects', async (context) => {
    const { open, path, clock, lines } = await makeRig(context)
    const first = await open()
    for (let number = 0; number < 2000; number += 1) {
      first.add(digestFromBytes(randomBytes(DIGEST_SIZE)), 1)
    }
    await first.condemn([KEY_A], clock.now())
    await first.close()
    spoilTable(path, 'chunks')
    const second = await open()
    assert.equal(second.isSuspect(KEY_A), true)
    assert.equal(knows(second, A), null)
    second.add(A, 1)
    await second.flush()
    await assert.rejects(second.entries('0'.repeat(64) as Digest, null, 5000), {
      code: 'LEDGER_FAILED',
    })
    await second.close().catch(() => {})
    assert.ok(lines.includes('the ledger is damaged: it will be begun anew at the next start'))
    const third = await open()
    assert.deepEqual(await third.suspects(), [{ key: KEY_A, lastMs: clock.now() }])
    third.add(A, 1)
    await third.flush()
    assert.deepEqual(knows(third, A), { size: 1 })
    await third.close()
    assert.deepEqual(knows(await open(), A), { size: 1 }, 'the mark is gone')
  })

  test('while everything is a suspect, a LIST adds nothing', async (context) => {
    const { open, path, clock } = await makeRig(context)
    writeFileSync(path, 'not a database'.repeat(1000))
    const ledger = await open()
    const list = async (): Promise<number> => {
      await ledger.beginRebuild()
      await ledger.addListed([{ digest: A, size: 1 }])
      await ledger.endRebuild()
      return ledger.count
    }
    assert.equal(await list(), 0)
    await clock.advance(REQUEST_LIFE_MS)
    assert.equal(await list(), 1)
  })

  // The cost model of the ledger: at 23 million chunks 70 bytes each are 1.6 GB.
  test('takes at most 70 bytes on disk for a chunk, in random order', async (context) => {
    const { open, path } = await makeRig(context)
    const ledger = await open()
    const count = 200_000
    await ledger.beginRebuild()
    for (let done = 0; done < count; done += 1000) {
      const entries = Array.from({ length: 1000 }, () => {
        return { digest: digestFromBytes(randomBytes(DIGEST_SIZE)), size: 4_194_316 }
      })
      await ledger.addListed(entries)
    }
    await ledger.endRebuild()
    assert.equal(ledger.count, count)
    await ledger.close()
    const each = statSync(path).size / count
    context.diagnostic(`${each.toFixed(1)} bytes`)
    assert.ok(each <= 70)
    assert.equal(existsSync(`${path}-wal`), false)
  })

  test('the log is written back while chunks are added', async (context) => {
    const { open, path } = await makeRig(context)
    const ledger = await open()
    for (let number = 0; number < 20_000; number += 1) {
      ledger.add(digestFromBytes(randomBytes(DIGEST_SIZE)), 1)
      if (number % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await ledger.flush()
    assert.equal(ledger.count, 20_000)
    const size = statSync(`${path}-wal`).size
    context.diagnostic(`${size} bytes of log`)
    assert.ok(size < 64 << 20)
  })

  test('nothing is said about an experimental feature', async () => {
    const script = "import { DatabaseSync } from 'node:sqlite'; new DatabaseSync(':memory:')"
    const child = spawn(process.execPath, ['--input-type=module', '-e', script])
    let text = ''
    child.stderr.on('data', (data: Buffer) => {
      text += data.toString()
    })
    await once(child, 'close')
    assert.equal(text, '')
  })
})

/** Writes nonsense over the root page of a table. */
function spoilTable(path: string, name: string): void {
  using database = new DatabaseSync(path)
  const row = database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').get(name)
  const pageSize = 4096
  database.close()
  const file = openSync(path, 'r+')
  writeSync(
    file,
    Buffer.alloc(pageSize, 0xee),
    0,
    pageSize,
    (Number(row?.['rootpage']) - 1) * pageSize,
  )
  closeSync(file)
}

function makeForeign(path: string): void {
  using database = new DatabaseSync(path)
  database.exec('CREATE TABLE something(a)')
}
