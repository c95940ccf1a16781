import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { systemClock } from '../../base/time/clock.ts'
import { DigestSet } from '../../formats/digest-map.ts'
import type { BackupSession, NewChunk } from '../backup-session.ts'
import { uploadIndex } from './upload-index.ts'

interface Append {
  readonly digests: readonly string[]
  readonly offsets: readonly number[]
}

/** A session that answers uploads late and in any order, and notes what it is asked. */
class SlowSession {
  readonly appends: Append[] = []
  readonly uploaded: string[] = []
  readonly answered = new Set<string>()
  bytesWaiting = 0
  bytesWaitingMax = 0
  closed: object | null = null
  failAt = Number.POSITIVE_INFINITY

  createIndex(): Promise<number> {
    return Promise.resolve(7)
  }

  async uploadChunk(_kind: string, _writer: number, chunk: NewChunk): Promise<void> {
    this.uploaded.push(chunk.digest)
    this.bytesWaiting += chunk.encodedSize
    this.bytesWaitingMax = Math.max(this.bytesWaitingMax, this.bytesWaiting)
    // Later ones first: as many turns as there are uploads behind it.
    for (let turn = 0; turn < 20 - (this.uploaded.length % 20); turn++) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.bytesWaiting -= chunk.encodedSize
    if (this.uploaded.length > this.failAt) throw new Error('no space left')
    this.answered.add(chunk.digest)
  }

  appendIndex(_kind: string, _writer: number, entries: Append): Promise<void> {
    for (const digest of entries.digests) {
      assert.ok(this.answered.has(digest) || this.known.has(digest), 'appended before it was there')
    }
    this.appends.push(entries)
    return Promise.resolve()
  }

  closeIndex(_kind: string, _writer: number, end: object): Promise<void> {
    this.closed = end
    return Promise.resolve()
  }

  readonly known = new Set<string>()
}

const SIZE = 1000

function chunkOf(seed: number): Buffer {
  return Buffer.from(createHash('sha512').update(String(seed)).digest('hex').repeat(8)).subarray(
    0,
    SIZE,
  )
}

async function* chunksOf(seeds: readonly number[], onRelease: () => void = () => {}) {
  for (const seed of seeds) {
    await Promise.resolve()
    yield { bytes: chunkOf(seed), release: onRelease }
  }
}

function upload(session: SlowSession, seeds: readonly number[], onRelease?: () => void) {
  const known = new DigestSet()
  for (const digest of session.known) known.add(digest as never)
  return uploadIndex(session as unknown as BackupSession, systemClock, {
    kind: 'fixed',
    archiveName: 'disk.img.fidx',
    size: null,
    chunks: chunksOf(seeds, onRelease),
    known,
    crypt: null,
    signal: undefined,
  })
}

const digestOf = (seed: number) => createHash('sha256').update(chunkOf(seed)).digest('hex')

suite('uploadIndex()', () => {
  test('sends each new chunk once and appends all in order, after their answers', async () => {
    const session = new SlowSession()
    const seeds = Array.from({ length: 150 }, (_, index) => index % 70)
    session.known.add(digestOf(3))
    let releaseCount = 0
    const result = await upload(session, seeds, () => (releaseCount += 1))
    assert.deepEqual(
      session.appends.map(({ digests }) => digests.length),
      [64, 64, 22],
    )
    assert.deepEqual(
      session.appends.flatMap(({ digests }) => digests),
      seeds.map(digestOf),
    )
    assert.deepEqual(
      session.appends.flatMap(({ offsets }) => offsets),
      seeds.map((_, index) => index * SIZE),
    )
    assert.equal(session.uploaded.length, 69)
    assert.equal(releaseCount, 150)
    const csum = createHash('sha256')
    for (const seed of seeds) csum.update(Buffer.from(digestOf(seed), 'hex'))
    const expected = csum.digest('hex')
    assert.deepEqual(session.closed, { chunkCount: 150, size: 150 * SIZE, csum: expected })
    assert.equal(result.sentSize, 69 * SIZE)
  })

  test('ends with the first failed upload and closes nothing', async () => {
    const session = new SlowSession()
    session.failAt = 10
    const seeds = Array.from({ length: 200 }, (_, index) => index)
    await assert.rejects(upload(session, seeds), { message: 'no space left' })
    assert.equal(session.closed, null)
    assert.ok(session.uploaded.length < 60, `${session.uploaded.length} were sent`)
  })
})
