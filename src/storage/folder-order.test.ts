import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { digestFromBytes } from '../formats/digest.ts'
import { inFolderOrder } from './folder-order.ts'
import { lookAndVerify } from './look-and-verify.ts'

function packedDigests(count: number): Uint8Array {
  const hashes = Array.from({ length: count }, (_, number) =>
    createHash('sha256').update(String(number)).digest(),
  )
  return Buffer.concat(hashes)
}

function unpacked(digests: Uint8Array): string[] {
  const texts: string[] = []
  for (let at = 0; at < digests.length; at += 32) texts.push(digestFromBytes(digests, at))
  return texts
}

/** `deepEqual` would print tens of thousands of lines. */
function isAscending(texts: readonly string[]): boolean {
  return texts.every((text, index) => index === 0 || (texts[index - 1] ?? '') <= text)
}

suite('inFolderOrder()', () => {
  test('keeps every digest, folder by folder', async () => {
    const packed = packedDigests(40_000)
    const ordered = unpacked(await inFolderOrder(packed))
    assert.equal(ordered.toSorted().join(), unpacked(packed).toSorted().join())
    assert.ok(isAscending(ordered.map((digest) => digest.slice(0, 4))))
    const shifted = Buffer.concat([Buffer.alloc(1), packed]).subarray(1)
    assert.equal(unpacked(await inFolderOrder(shifted)).join(), ordered.join())
    assert.equal((await inFolderOrder(new Uint8Array(0))).length, 0)
  })
})

suite('lookAndVerify()', () => {
  // Each slice went through all folders again: a cold disk read them as often as there were slices.
  test('goes through the folders once', async () => {
    const seen: string[] = []
    await lookAndVerify(packedDigests(40_000), {
      pathOf: (digest) => digest,
      isWhole: async () => true,
      look: async (packed) => {
        seen.push(...unpacked(packed).map((digest) => digest.slice(0, 4)))
        return { missing: new Uint8Array(0), doubtful: new Uint8Array(0), failure: null }
      },
    })
    assert.equal(seen.length, 40_000)
    assert.ok(isAscending(seen))
  })
})
