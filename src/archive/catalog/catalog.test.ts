import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ByteWriter } from '../../base/bytes.ts'
import { bytesReader } from '../random-reader.ts'
import { readSignedVarint, readVarint, writeSignedVarint, writeVarint } from './format.ts'
import { CatalogReader } from './reader.ts'
import { CatalogTreeWriter } from './tree-writer.ts'
import { CatalogWriter } from './writer.ts'

function encodeCatalog(
  archives: readonly (readonly [string, (tree: CatalogTreeWriter) => void])[],
) {
  const catalog = new CatalogWriter()
  const pieces: Uint8Array[] = [catalog.start()]
  for (const [name, fill] of archives) {
    catalog.startArchive()
    const tree = new CatalogTreeWriter((bytes) => {
      catalog.addTables(bytes)
      pieces.push(bytes)
    })
    fill(tree)
    catalog.endArchive(Buffer.from(name), tree.finish())
  }
  pieces.push(catalog.finish())
  return Buffer.concat(pieces)
}

function fillExample(tree: CatalogTreeWriter): void {
  tree.addFile(Buffer.from('a'), { size: 3, mtimeSec: 1700000001 })
  tree.addLeaf('symlink', Buffer.from('l'))
}

const EXAMPLE =
  '91fd60f9c46758d50d0266016103' +
  '81e2cfaa066c016c1201640e726f6f742e707861722e646964780e1600000000000000'

suite('CatalogWriter', () => {
  test('writes the example of pxar.md 15 byte for byte', () => {
    const bytes = encodeCatalog([['root.pxar.didx', fillExample]])
    assert.equal(bytes.toString('hex'), EXAMPLE)
  })

  test('writes the smallest catalog of formats.md 8.1', () => {
    assert.equal(encodeCatalog([]).toString('hex'), '91fd60f9c46758d501000800000000000000')
  })
})

suite('CatalogReader', () => {
  const nested = encodeCatalog([
    ['one.pxar.didx', fillExample],
    [
      'two.pxar.didx',
      (tree) => {
        tree.startDirectory(Buffer.from('d'))
        tree.startDirectory(Buffer.from('e'))
        tree.addLeaf('fifo', Buffer.from([0xff, 0xfe]))
        tree.endDirectory()
        tree.addFile(Buffer.from('old'), { size: 300, mtimeSec: -300 })
        tree.endDirectory()
        tree.addLeaf('socket', Buffer.from('s'))
      },
    ],
  ])

  test('lists what was written, in order', async () => {
    const reader = new CatalogReader(bytesReader(nested))
    const names: string[] = []
    for await (const entry of reader.list(await reader.root())) names.push(entry.name.toString())
    assert.deepEqual(names, ['one.pxar.didx', 'two.pxar.didx'])
    const old = await reader.lookup(Buffer.from('/two.pxar.didx/d/old'))
    assert.deepEqual(old, { kind: 'file', name: Buffer.from('old'), size: 300, mtimeSec: -300 })
    const odd = Buffer.concat([Buffer.from('/two.pxar.didx/d/e/'), Buffer.from([0xff, 0xfe])])
    assert.equal((await reader.lookup(odd)).kind, 'fifo')
  })

  test('says which path is not there', async () => {
    const reader = new CatalogReader(bytesReader(nested))
    await assert.rejects(reader.lookup(Buffer.from('/two.pxar.didx/x')), {
      code: 'ARCHIVE_PATH_UNKNOWN',
      message: 'path "/two.pxar.didx/x" not found in catalog',
    })
  })

  test('answers every cut and every flipped byte with a result or CATALOG_INVALID', async () => {
    for (let size = 0; size < nested.length; size++) {
      await checkDamaged(nested.subarray(0, size))
    }
    for (let at = 0; at < nested.length; at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const damaged = Buffer.from(nested)
        damaged[at] = (damaged[at] ?? 0) ^ flip
        await checkDamaged(damaged)
      }
    }
  })
})

async function checkDamaged(bytes: Uint8Array): Promise<void> {
  const reader = new CatalogReader(bytesReader(bytes))
  try {
    // Children lie before their parents, so a walk ends even in a damaged catalog.
    const pending = [await reader.root()]
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      for await (const entry of reader.list(directory)) {
        if (entry.kind === 'directory') pending.push(entry)
      }
    }
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'CATALOG_INVALID', String(error))
  }
}

suite('writeSignedVarint()', () => {
  const rows: readonly (readonly [number, string])[] = [
    [0, '00'],
    [127, '7f'],
    [128, '8001'],
    [300, 'ac02'],
    [-1, '8100'],
    [-128, '808100'],
    [-300, 'ac8200'],
    [2 ** 53 - 1, 'ffffffffffffff0f'],
  ]
  for (const [value, hex] of rows) {
    test(`writes ${value} as ${hex} and reads it back`, () => {
      const out = new ByteWriter()
      writeSignedVarint(out, value)
      const bytes = out.finish()
      assert.equal(Buffer.from(bytes).toString('hex'), hex)
      assert.deepEqual(readSignedVarint(bytes, 0), { value, end: bytes.length })
      if (value < 0) return
      const unsigned = new ByteWriter()
      writeVarint(unsigned, value)
      assert.deepEqual(readVarint(unsigned.finish(), 0), { value, end: bytes.length })
    })
  }
})
