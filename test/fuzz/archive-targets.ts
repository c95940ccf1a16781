/** The readers of trees: pxar front to back and by random access, catalogs, patterns, ACLs. */
import type { SeededRandom } from '../../bench/support/random.ts'
import { CatalogReader } from '../../src/archive/catalog/reader.ts'
import {
  matchesEntry,
  parseMatchEntry,
  parseRestorePattern,
} from '../../src/archive/path-pattern.ts'
import { decodePosixAcl } from '../../src/archive/posix-acl.ts'
import {
  type ArchiveFolder,
  isDirectory,
  isFile,
  PxarAccessor,
} from '../../src/archive/pxar/accessor.ts'
import { PxarDecoder } from '../../src/archive/pxar/decoder.ts'
import { findRecords, readRecord } from '../../src/archive/pxar/goodbye-table.ts'
import type { RandomReader } from '../../src/archive/random-reader.ts'
import { pxarFixture } from '../support/pxar-fixture.ts'
import {
  fixturePieces,
  plainArchive,
  sampleArchive,
  sampleCatalog,
  sampleTable,
} from './archive-samples.ts'
import type { FuzzTarget } from './fuzz.ts'
import { expect, lines } from './samples.ts'

/** A damaged table can name one directory many times; whoever walks all of it has such a limit. */
const NODES_MAX = 2000
const GOODBYE_RECORD_SIZE = 24

/** Targets of `src/archive`. */
export async function archiveTargets(): Promise<FuzzTarget[]> {
  const split = new Uint8Array(pxarFixture('source.mpxar'))
  const small = [sampleArchive(), plainArchive(), ...(await fixturePieces())]
  const archives = [...small, ...small, split]
  return [
    { name: 'pxar', samples: archives, decode: decodeInPieces },
    { name: 'pxar by random access', samples: archives, decode: walkArchive },
    goodbyeTarget(),
    { name: 'catalog', samples: [sampleCatalog()], decode: walkCatalog },
    ...patternTargets(),
    {
      name: 'posix acl',
      samples: [new Uint8Array(Buffer.from('0200000001000600ffffffff02000600e8030000', 'hex'))],
      isLenient: true,
      decode: (bytes) => void decodePosixAcl(bytes),
    },
  ]
}

/** Pieces of any size are the same archive: what is told must be the same, too. */
function decodeInPieces(bytes: Uint8Array, random: SeededRandom): void {
  const whole = decodeAll(bytes, () => bytes.length)
  const sizeMax = 1 + random.below(200)
  const pieces = decodeAll(bytes, () => random.below(sizeMax + 1))
  expect(pieces.told === whole.told, 'the same entries in pieces of any size')
  expect((pieces.error === null) === (whole.error === null), 'the same end')
  if (whole.error !== null) throw whole.error
}

function decodeAll(
  bytes: Uint8Array,
  nextSize: () => number,
): { readonly told: string; readonly error: unknown } {
  const told: string[] = []
  let size = 0
  const decoder = new PxarDecoder({
    entry: (entry) => told.push(`${entry.kind} ${entry.name.toString('latin1')}`),
    content: (content) => void (size += content.length),
    fileEnd: () => told.push(`content ${size}`),
    leaveDirectory: () => told.push('up'),
  })
  try {
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + nextSize())
      decoder.push(bytes.subarray(at, end))
      at = end
    }
    decoder.end()
    return { told: told.join('\n'), error: null }
  } catch (error) {
    return { told: told.join('\n'), error }
  }
}

async function walkArchive(bytes: Uint8Array): Promise<void> {
  const accessor = new PxarAccessor(strictReader(bytes))
  const root = await accessor.openRoot()
  await accessor.find(root, Buffer.from('dir'))
  await accessor.lookup(Buffer.from('/dir/./f'))
  const pending: ArchiveFolder[] = [root]
  let count = 0
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for await (const node of accessor.list(folder)) {
      if (++count > NODES_MAX) return
      if (isDirectory(node)) pending.push(await accessor.openFolder(node))
      else if (node.entry.kind === 'hardlink') await readHardlink(accessor, node)
      else if (isFile(node) && node.entry.reference === null) await readAll(accessor, node)
    }
  }
}

/** A piece of an archive may link to what is before it: that is for the caller to find. */
async function readHardlink(
  accessor: PxarAccessor,
  node: Parameters<PxarAccessor['followHardlink']>[0],
): Promise<void> {
  if (node.entry.kind === 'hardlink' && node.entry.back <= node.position) {
    await accessor.followHardlink(node)
  }
}

async function readAll(
  accessor: PxarAccessor,
  node: Parameters<PxarAccessor['read']>[0],
): Promise<void> {
  for await (const _part of accessor.read(node));
}

function goodbyeTarget(): FuzzTarget {
  const names = ['a', 'bb', 'ccc', 'dir', 'f', 'fifo', 'l']
  return {
    name: 'goodbye table',
    samples: [sampleTable(names), sampleTable(['f']), sampleTable([])],
    decode(bytes) {
      const count = Math.floor(bytes.length / GOODBYE_RECORD_SIZE)
      for (const name of names) {
        const found = [...findRecords(bytes, count, Buffer.from(name))]
        expect(new Set(found).size === found.length, 'each record once')
        for (const index of found) readRecord(bytes, index)
      }
      for (let index = 0; index < count; index++) readRecord(bytes, index)
    },
  }
}

async function walkCatalog(bytes: Uint8Array): Promise<void> {
  const reader = new CatalogReader(strictReader(bytes))
  await reader.find(Buffer.from('/root.pxar.didx/dir/f'))
  const pending = [await reader.root()]
  let count = 0
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for await (const entry of reader.list(directory)) {
      if (++count > NODES_MAX) return
      if (entry.kind === 'directory') pending.push(entry)
    }
  }
}

function patternTargets(): FuzzTarget[] {
  const paths = ['/a/some/longer/path/with/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab', '/a', '/x/../y']
  return [
    {
      name: 'path pattern',
      samples: lines('/a/**/b*[^x-z[:digit:]]?', '**/*a*/**/*b*', '[]-a]\\*', '!dir/', 'a{b,c}*'),
      decode(bytes) {
        const text = Buffer.from(bytes).toString('latin1')
        const entries = [parseMatchEntry(text, 'exclude'), parseRestorePattern(text)]
        for (const entry of entries) for (const path of paths) matchesEntry(entry, path, 0o40755)
      },
    },
  ]
}

/** What is asked for must lie inside: a reader over chunks would have nothing else to give. */
function strictReader(bytes: Uint8Array): RandomReader {
  const { length } = bytes
  return {
    size: length,
    async read(offset, size) {
      const isInside = Number.isSafeInteger(offset) && Number.isSafeInteger(size) && offset >= 0
      expect(isInside && size >= 0 && offset + size <= length, 'a read inside the archive')
      return bytes.subarray(offset, offset + size)
    },
  }
}
