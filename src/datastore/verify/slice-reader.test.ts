/** Chunks that have to be waited for are read in batches, and judged as those that lie in memory. */
import assert from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { encodeBlob } from '../../formats/data-blob.ts'
import { SliceReader } from './slice-reader.ts'
import { makeTickets, Tickets } from './tickets.ts'
import type { VerifySlice } from './verify-slice.ts'

/** More than a batch has room for, one longer than the buffer, and every kind of fault between good ones. */
const SIZES = [
  ...Array.from({ length: 70 }, (_, index) => 100 + index),
  200_000,
  200_000,
  9 << 20,
  5,
]
const MISSING = 3
const EMPTY = 64
const FLIPPED = 66
const LONGER = 69

async function makeChunks(folder: string): Promise<VerifySlice> {
  const digests: Buffer[] = []
  for (const [index, size] of SIZES.entries()) {
    const plain = randomBytes(size)
    const digest = hash('sha256', plain, 'hex')
    digests.push(Buffer.from(digest, 'hex'))
    const blob = await encodeBlob(plain, { compress: false })
    if (index === FLIPPED) blob[blob.length - 1] = (blob.at(-1) ?? 0) ^ 1
    mkdirSync(join(folder, digest.slice(0, 4)), { recursive: true })
    const content = index === EMPTY ? Buffer.alloc(0) : blob
    if (index !== MISSING) writeFileSync(join(folder, digest.slice(0, 4), digest), content)
  }
  const sizes = Uint32Array.from(SIZES, (size, index) => (index === LONGER ? size + 1 : size))
  return { digests: Buffer.concat(digests), sizes, encrypted: false }
}

suite('SliceReader', () => {
  test('says the same of chunks that are waited for, and gives its ticket back', async (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'cairn-slice-'))
    context.after(() => rmSync(folder, { recursive: true, force: true }))
    const slice = await makeChunks(folder)
    const shared = makeTickets(1)
    const waiting = new SliceReader(folder, new Tickets(shared), null)
    const result = waiting.readSlice(slice, () => {})
    assert.equal(new Int32Array(shared)[0], 1)
    assert.equal(result.waitCount, SIZES.length)
    const found = result.findings.map(({ position, kind }) => [position, kind])
    assert.deepEqual(found, [
      [MISSING, 'missing'],
      [EMPTY, 'missing'],
      [FLIPPED, 'broken'],
      [LONGER, 'length'],
    ])
    const usual = new SliceReader(folder, new Tickets(shared)).readSlice(slice, () => {})
    assert.deepEqual({ ...usual, waitCount: 0 }, { ...result, waitCount: 0 })
  })

  test('gives its ticket back when nobody wants the result any more', async (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'cairn-slice-'))
    context.after(() => rmSync(folder, { recursive: true, force: true }))
    const slice = await makeChunks(folder)
    const shared = makeTickets(1)
    let left = 10
    const check = (): void => {
      left -= 1
      if (left === 0) throw new Error('enough')
    }
    const reader = new SliceReader(folder, new Tickets(shared), null)
    assert.throws(() => reader.readSlice(slice, check), /enough/)
    assert.equal(new Int32Array(shared)[0], 1)
  })
})
