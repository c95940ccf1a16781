import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { decompress, decompressSync } from './zstd.ts'

const SIZE_MAX = 1 << 20

suite('decompressSync() gives what decompress() gives', () => {
  for (const size of [0, 1, 300, 70_000, SIZE_MAX]) {
    test(`${size} bytes`, async () => {
      const frame = zstdCompressSync(Buffer.alloc(size, 'cairn '))
      const options = { sizeMax: SIZE_MAX }
      assert.deepEqual(
        Buffer.from(decompressSync(frame, options)),
        Buffer.from(await decompress(frame, options)),
      )
    })
  }

  const frame = zstdCompressSync(Buffer.from('hello '.repeat(100)))
  const damaged = Buffer.from(frame)
  damaged[damaged.length - 3]! ^= 0x55
  const rows: readonly (readonly [string, Uint8Array])[] = [
    ['no frame', Buffer.from('nothing of the kind')],
    ['a damaged frame', damaged],
    ['half a frame', frame.subarray(0, frame.length - 4)],
    ['what follows a frame', Buffer.concat([frame, Buffer.from('rest')])],
    ['too much', zstdCompressSync(Buffer.alloc(SIZE_MAX + 1))],
    ['two frames', Buffer.concat([frame, frame])],
  ]
  for (const [name, bytes] of rows) {
    test(name, async () => {
      const options = { sizeMax: SIZE_MAX }
      const outcomes = [
        await decompress(bytes, options).catch((error: Error) => error.message),
        await (async () => decompressSync(bytes, options))().catch((error: Error) => error.message),
      ].map((outcome) => (typeof outcome === 'string' ? outcome : Buffer.from(outcome).toString()))
      assert.equal(outcomes[1], outcomes[0])
    })
  }
})
