/** The archives that stock's `pxar` made of the source tree, read and written again; needs no root. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import {
  type ArchiveFolder,
  type ArchiveNode,
  isDirectory,
  isFile,
  PxarAccessor,
} from '../../src/archive/pxar/accessor.ts'
import { PxarDecoder } from '../../src/archive/pxar/decoder.ts'
import { PxarEncoder } from '../../src/archive/pxar/encoder.ts'
import { PieceWriter } from '../../src/archive/pxar/piece-writer.ts'
import { bytesReader } from '../../src/archive/random-reader.ts'
import type { TreeEntry } from '../../src/archive/tree-entry.ts'
import { pxarFixture } from '../support/pxar-fixture.ts'
import { type Listing, listArchive, readListing } from '../support/tree-listing.ts'

/** The recorded restore, with the one attribute that stock stores but does not restore. */
function expectedListing(): Listing {
  const listing = readListing('expected-after-restore.jsonl')
  const nodump = listing.get('attrs/flags-nodump-noatime')
  assert.ok(nodump !== undefined)
  assert.equal(nodump.flags, '0x80')
  nodump.flags = '0xc0'
  return listing
}

suite("stock's source.pxar", () => {
  test('decodes to the entries that stock restores, and the no-dump attribute', () => {
    assert.deepEqual(listArchive(pxarFixture('source.pxar')), expectedListing())
  })

  test('is written again byte for byte from what was decoded', () => {
    const { archive } = reencode(pxarFixture('source.pxar'), { split: false })
    assert.ok(archive.equals(pxarFixture('source.pxar')))
  })

  test("becomes stock's split pair when it is written as one", () => {
    const { archive, payload } = reencode(pxarFixture('source.pxar'), { split: true })
    assert.ok(archive.equals(pxarFixture('source.mpxar')))
    assert.ok(payload.equals(pxarFixture('source.ppxar')))
  })
})

const unified = () => new PxarAccessor(bytesReader(pxarFixture('source.pxar')))
const split = () =>
  new PxarAccessor(
    bytesReader(pxarFixture('source.mpxar')),
    bytesReader(pxarFixture('source.ppxar')),
  )

suite('PxarAccessor', () => {
  for (const [kind, open] of [
    ['unified', unified],
    ['split', split],
  ] as const) {
    test(`finds every path of stock's ${kind} archive with its content`, async () => {
      const accessor = open()
      let fileCount = 0
      for (const [path, listed] of expectedListing()) {
        const node = await accessor.lookup(pathBytes(path))
        assert.ok(node !== null, path)
        const target = node.entry.kind === 'hardlink' ? await accessor.followHardlink(node) : node
        if (!isFile(target)) continue
        fileCount++
        assert.equal(await contentHash(accessor, target), listed.sha256, path)
      }
      assert.ok(fileCount > 300)
    })

    test(`lists all entries of stock's ${kind} archive`, async () => {
      const accessor = open()
      const found = await walk(accessor, await accessor.openRoot())
      assert.equal(found, expectedListing().size - 1)
    })
  }

  test('says null for what is not there and refuses the way up', async () => {
    const accessor = unified()
    assert.equal(await accessor.lookup(Buffer.from('/text/none')), null)
    assert.equal(await accessor.lookup(Buffer.from('/empty/below-a-file')), null)
    await assert.rejects(accessor.lookup(Buffer.from('text/../empty')), {
      code: 'ARCHIVE_PATH_UNKNOWN',
    })
  })
})

function pathBytes(path: string): Buffer {
  return path.includes('\\xe4')
    ? Buffer.from(
        path.replace(/\\x(..)/g, (_, hex: string) => chr(hex)),
        'latin1',
      )
    : Buffer.from(path)
}

function chr(hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16))
}

async function contentHash(
  accessor: PxarAccessor,
  node: Parameters<PxarAccessor['read']>[0],
): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of accessor.read(node)) hash.update(part)
  return hash.digest('hex')
}

async function walk(accessor: PxarAccessor, folder: ArchiveFolder): Promise<number> {
  let count = 0
  for await (const node of accessor.list(folder)) {
    count += 1 + (await walkBelow(accessor, node))
  }
  return count
}

async function walkBelow(accessor: PxarAccessor, node: ArchiveNode): Promise<number> {
  return isDirectory(node) ? await walk(accessor, await accessor.openFolder(node)) : 0
}

function reencode(
  source: Buffer,
  { split }: { split: boolean },
): { archive: Buffer; payload: Buffer } {
  const pieces: Buffer[] = []
  const payloadPieces: Buffer[] = []
  const archive = new PieceWriter((piece) => pieces.push(piece))
  const payload = new PieceWriter((piece) => payloadPieces.push(piece))
  const encoder = new PxarEncoder(split ? { archive, payload } : { archive })
  const positions = new Map<string, number>()
  const path: string[] = []
  const decoder = new PxarDecoder({
    entry: (entry) => put(entry),
    content: (bytes) => encoder.content.copy(bytes),
    fileEnd() {},
    leaveDirectory() {
      path.pop()
      if (path.length > 0) encoder.endDirectory()
    },
  })
  decoder.push(source)
  decoder.end()
  encoder.finish()
  return { archive: Buffer.concat(pieces), payload: Buffer.concat(payloadPieces) }

  function put(entry: TreeEntry): void {
    const { name } = entry
    const place = [...path.slice(1), name.toString('latin1')].join('/')
    if (entry.kind === 'directory') {
      if (path.length === 0) encoder.startRoot(entry.metadata)
      else encoder.startDirectory(name, entry.metadata)
      path.push(name.toString('latin1'))
    } else if (entry.kind === 'file') {
      positions.set(place, encoder.addFile(name, entry.metadata, entry.size))
    } else if (entry.kind === 'hardlink') {
      const position = positions.get(entry.target.toString('latin1')) as number
      encoder.addHardlink(name, { path: entry.target, position })
    } else if (entry.kind === 'symlink') {
      encoder.addSymlink(name, entry.metadata, entry.target)
    } else if ('major' in entry) {
      encoder.addDevice(name, entry.metadata, entry)
    } else {
      encoder.addSpecial(name, entry.metadata)
    }
  }
}
