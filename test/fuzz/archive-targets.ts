/** The readers of trees: pxar front to back and by random access, catalogs, patterns, ACLs. */
import { CatalogReader } from '../../src/archive/catalog/reader.ts'
import { CatalogTreeWriter } from '../../src/archive/catalog/tree-writer.ts'
import { CatalogWriter } from '../../src/archive/catalog/writer.ts'
import { matchesEntry, parseMatchEntry } from '../../src/archive/path-pattern.ts'
import { decodePosixAcl } from '../../src/archive/posix-acl.ts'
import {
  type ArchiveFolder,
  isDirectory,
  isFile,
  PxarAccessor,
} from '../../src/archive/pxar/accessor.ts'
import { PxarDecoder } from '../../src/archive/pxar/decoder.ts'
import { PxarEncoder } from '../../src/archive/pxar/encoder.ts'
import { PieceWriter } from '../../src/archive/pxar/piece-writer.ts'
import { bytesReader } from '../../src/archive/random-reader.ts'
import { plainMetadata } from '../../src/archive/tree-entry.ts'
import { pxarFixture } from '../support/pxar-fixture.ts'
import type { FuzzTarget } from './fuzz.ts'

/** A damaged table can name one directory many times; whoever walks all of it has such a limit. */
const NODES_MAX = 2000

/** Targets of `src/archive`. */
export function archiveTargets(): FuzzTarget[] {
  const archive = sampleArchive()
  const split = new Uint8Array(pxarFixture('source.mpxar'))
  return [
    { name: 'pxar', samples: [archive, archive, split], decode: decodeInPieces },
    { name: 'pxar by random access', samples: [archive, archive, split], decode: walkArchive },
    { name: 'catalog', samples: [sampleCatalog()], decode: walkCatalog },
    {
      name: 'path pattern',
      samples: ['/a/**/b*[^x-z[:digit:]]?', '**/*a*/**/*b*', '[]-a]\\*'].map(
        (text) => new Uint8Array(Buffer.from(text)),
      ),
      decode(bytes) {
        const entry = parseMatchEntry(Buffer.from(bytes).toString('latin1'), 'exclude')
        matchesEntry(entry, '/a/some/longer/path/with/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab', 0)
      },
    },
    {
      name: 'posix acl',
      samples: [new Uint8Array(Buffer.from('0200000001000600ffffffff02000600e8030000', 'hex'))],
      isLenient: true,
      decode: (bytes) => void decodePosixAcl(bytes),
    },
  ]
}

function decodeInPieces(bytes: Uint8Array): void {
  const decoder = new PxarDecoder({
    entry() {},
    content() {},
    fileEnd() {},
    leaveDirectory() {},
  })
  for (let at = 0; at < bytes.length; at += 100) decoder.push(bytes.subarray(at, at + 100))
  decoder.end()
}

async function walkArchive(bytes: Uint8Array): Promise<void> {
  const accessor = new PxarAccessor(bytesReader(bytes))
  const root = await accessor.openRoot()
  await accessor.find(root, Buffer.from('dir'))
  const pending: ArchiveFolder[] = [root]
  let count = 0
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for await (const node of accessor.list(folder)) {
      if (++count > NODES_MAX) return
      if (isDirectory(node)) pending.push(await accessor.openFolder(node))
      else if (node.entry.kind === 'hardlink') await accessor.followHardlink(node)
      else if (isFile(node) && node.entry.reference === null) await readAll(accessor, node)
    }
  }
}

async function readAll(
  accessor: PxarAccessor,
  node: Parameters<PxarAccessor['read']>[0],
): Promise<void> {
  for await (const _part of accessor.read(node));
}

async function walkCatalog(bytes: Uint8Array): Promise<void> {
  const reader = new CatalogReader(bytesReader(bytes))
  const pending = [await reader.root()]
  let count = 0
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for await (const entry of reader.list(directory)) {
      if (++count > NODES_MAX) return
      if (entry.kind === 'directory') pending.push(entry)
    }
  }
}

function sampleArchive(): Uint8Array {
  const pieces: Buffer[] = []
  const encoder = new PxarEncoder({ archive: new PieceWriter((piece) => pieces.push(piece)) })
  const acl = {
    users: [{ id: 1, permissions: 6 }],
    groups: [{ id: 2, permissions: 4 }],
    groupObj: 5,
    default: { userObj: 7, groupObj: 5, other: 0, mask: null },
    defaultUsers: [{ id: 3, permissions: 4 }],
    defaultGroups: [],
  }
  const xattrs = [{ name: Buffer.from('user.k'), value: Buffer.from('v') }]
  const rich = { acl, xattrs, fcaps: Buffer.alloc(20, 1), quotaProjectId: 7 }
  encoder.startRoot(plainMetadata(0o40755))
  encoder.startDirectory(Buffer.from('dir'), plainMetadata(0o40755, rich))
  const position = encoder.addFile(Buffer.from('f'), plainMetadata(0o100644, rich), 5)
  encoder.content.copy(Buffer.from('hello'))
  encoder.addSpecial(Buffer.from('fifo'), plainMetadata(0o10644))
  encoder.endDirectory()
  encoder.addHardlink(Buffer.from('hl'), { path: Buffer.from('dir/f'), position })
  encoder.addSymlink(Buffer.from('l'), plainMetadata(0o120777), Buffer.from('dir'))
  encoder.addDevice(Buffer.from('null'), plainMetadata(0o20666), { major: 1, minor: 3 })
  encoder.finish()
  return new Uint8Array(Buffer.concat(pieces))
}

function sampleCatalog(): Uint8Array {
  const catalog = new CatalogWriter()
  const pieces = [catalog.start()]
  catalog.startArchive()
  const tree = new CatalogTreeWriter((bytes) => {
    catalog.addTables(bytes)
    pieces.push(bytes)
  })
  tree.startDirectory(Buffer.from('dir'))
  tree.addFile(Buffer.from('f'), { size: 300, mtimeSec: -300 })
  tree.endDirectory()
  tree.addLeaf('fifo', Buffer.from('p'))
  catalog.endArchive(Buffer.from('root.pxar.didx'), tree.finish())
  pieces.push(catalog.finish())
  return new Uint8Array(Buffer.concat(pieces))
}
