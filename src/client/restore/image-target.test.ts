import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { BufferPool } from '../../base/buffer-pool.ts'
import { writeImage } from './image-target.ts'
import type { PlainChunk } from './remote-chunks.ts'

const MIB = 1 << 20
const CHUNK_SIZE = MIB

interface Pieces {
  readonly chunks: PlainChunk[]
  readonly image: Buffer
  readonly released: () => number
}

/** `count` chunks at the places that `headroom` gives them, every third one zeros, the last one odd. */
function makeChunks(count: number, headroom: number): Pieces {
  const pool = new BufferPool({ size: 2 * MIB, sizeMin: 1, countMax: 0, isAligned: true })
  const image = Buffer.alloc((count - 1) * CHUNK_SIZE + 1234)
  let releases = 0
  const chunks = Array.from({ length: count }, (_, index): PlainChunk => {
    const offset = index * CHUNK_SIZE
    const size = Math.min(CHUNK_SIZE, image.length - offset)
    const release = (): void => {
      releases += 1
    }
    if (index % 3 === 2) return { offset, size, bytes: null, release }
    const bytes = pool.take(size + headroom, headroom).bytes.subarray(headroom)
    bytes.set(randomBytes(size))
    image.set(bytes, offset)
    return { offset, size, bytes, release }
  })
  return { chunks, image, released: () => releases }
}

async function* served(chunks: readonly PlainChunk[]): AsyncGenerator<PlainChunk, void, undefined> {
  for (const chunk of chunks) yield chunk
}

function scratch(t: TestContext, parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'cairn-image-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

suite('writeImage()', () => {
  for (const [title, headroom] of [
    ['pages', 12],
    ['what lies at odd places', 13],
  ] as const) {
    test(`writes ${title}, leaves holes for zeros and releases every chunk`, async (t) => {
      const path = join(scratch(t), 'image')
      const { chunks, image, released } = makeChunks(19, headroom === 12 ? 12 : 0)
      const moved = chunks.map((chunk) =>
        headroom === 12 || chunk.bytes === null
          ? chunk
          : { ...chunk, bytes: Buffer.concat([Buffer.alloc(1), chunk.bytes]).subarray(1) },
      )
      await writeImage(path, served(moved), image.length)
      assert.ok(readFileSync(path).equals(image))
      assert.ok(statSync(path).blocks * 512 < image.length)
      assert.equal(released(), chunks.length)
    })
  }

  test('ends in a hole', async (t) => {
    const path = join(scratch(t), 'image')
    const { chunks } = makeChunks(3, 0)
    await writeImage(path, served(chunks), 2 * CHUNK_SIZE + 1234)
    assert.equal(statSync(path).size, 2 * CHUNK_SIZE + 1234)
  })

  test('throws what a write throws, after the others have ended', async (t) => {
    const path = join(scratch(t), 'image')
    const { chunks, image } = makeChunks(8, 0)
    const [first, ...rest] = chunks
    assert.ok(first)
    const wrong = { ...first, bytes: {} as Uint8Array }
    const written = writeImage(path, served([...rest, wrong, ...rest]), image.length)
    await assert.rejects(written, TypeError)
  })

  test('throws what the source throws', async (t) => {
    const path = join(scratch(t), 'image')
    const { chunks, image } = makeChunks(4, 0)
    const broken = async function* () {
      yield* chunks
      throw new Error('cut')
    }
    await assert.rejects(writeImage(path, broken(), image.length), { message: 'cut' })
  })
})
