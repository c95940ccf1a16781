/** Small archives with one of everything, and pieces of what the stock client wrote. */
import { CatalogTreeWriter } from '../../src/archive/catalog/tree-writer.ts'
import { CatalogWriter } from '../../src/archive/catalog/writer.ts'
import { isDirectory, PxarAccessor } from '../../src/archive/pxar/accessor.ts'
import { PxarEncoder } from '../../src/archive/pxar/encoder.ts'
import { GoodbyeTable } from '../../src/archive/pxar/goodbye-table.ts'
import { PieceWriter } from '../../src/archive/pxar/piece-writer.ts'
import { bytesReader } from '../../src/archive/random-reader.ts'
import { plainMetadata } from '../../src/archive/tree-entry.ts'
import { pxarFixture } from '../support/pxar-fixture.ts'

/** Mutations of larger pieces hit content more than structure. */
const PIECE_SIZE_MAX = 16 * 1024

const ACL = {
  users: [{ id: 1, permissions: 6 }],
  groups: [{ id: 2, permissions: 4 }],
  groupObj: 5,
  default: { userObj: 7, groupObj: 5, other: 0, mask: null },
  defaultUsers: [{ id: 3, permissions: 4 }],
  defaultGroups: [],
}
const RICH = {
  acl: ACL,
  xattrs: [{ name: Buffer.from('user.k'), value: Buffer.from('v') }],
  fcaps: Buffer.alloc(20, 1),
  quotaProjectId: 7,
}

/** Every kind of entry; names are those that `hostile-target.ts` lays out. */
export function sampleArchive(): Uint8Array {
  const archive = newArchive()
  const { encoder } = archive
  encoder.startDirectory(Buffer.from('dir'), plainMetadata(0o40755, RICH))
  const position = encoder.addFile(Buffer.from('f'), plainMetadata(0o100644, RICH), 5)
  encoder.content.copy(Buffer.from('hello'))
  encoder.addSpecial(Buffer.from('fifo'), plainMetadata(0o10644))
  encoder.endDirectory()
  encoder.addHardlink(Buffer.from('hl'), { path: Buffer.from('dir/f'), position })
  encoder.addSymlink(Buffer.from('l'), plainMetadata(0o120777), Buffer.from('dir'))
  encoder.addDevice(Buffer.from('null'), plainMetadata(0o20666), { major: 1, minor: 3 })
  return archive.finish()
}

/** Without attributes, which fail where the file system has none: names and ways only. */
export function plainArchive(): Uint8Array {
  const archive = newArchive()
  const { encoder } = archive
  encoder.addSymlink(Buffer.from('aa'), plainMetadata(0o120777), Buffer.from('../sentinel'))
  encoder.startDirectory(Buffer.from('bb'), plainMetadata(0o40755))
  const position = encoder.addFile(Buffer.from('cc'), plainMetadata(0o100644), 3)
  encoder.content.copy(Buffer.from('new'))
  encoder.startDirectory(Buffer.from('dd'), plainMetadata(0o40700))
  encoder.addFile(Buffer.from('ee'), plainMetadata(0o104755), 0)
  encoder.endDirectory()
  encoder.endDirectory()
  encoder.addHardlink(Buffer.from('ff'), { path: Buffer.from('bb/cc'), position })
  encoder.addFile(Buffer.from('gg'), plainMetadata(0o100600), 8192)
  encoder.content.copy(Buffer.alloc(8192))
  return archive.finish()
}

/** Directories of the stock client's archive: each is an archive of its own from its ENTRY on. */
export async function fixturePieces(): Promise<Uint8Array[]> {
  const archive = pxarFixture('source.pxar')
  const accessor = new PxarAccessor(bytesReader(archive))
  const pieces: Uint8Array[] = []
  for await (const node of accessor.list(await accessor.openRoot())) {
    if (!isDirectory(node) || node.end - node.position > PIECE_SIZE_MAX) continue
    const { start } = await accessor.openFolder(node)
    pieces.push(new Uint8Array(archive.subarray(start, node.end)))
  }
  return pieces
}

export function sampleCatalog(): Uint8Array {
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

/** The records of a GOODBYE item over these names, without header and tail. */
export function sampleTable(names: readonly string[]): Uint8Array {
  const table = new GoodbyeTable()
  for (const [index, name] of names.entries()) table.add(Buffer.from(name), 100 * index, 90)
  const pieces: Buffer[] = []
  const out = new PieceWriter((piece) => pieces.push(piece))
  // The children lie before the table.
  out.bytes(Buffer.alloc(100 * names.length))
  const start = out.position
  table.write(out, 0)
  out.flush()
  return new Uint8Array(Buffer.concat(pieces).subarray(start + 16, -24))
}

function newArchive(): { readonly encoder: PxarEncoder; finish(): Uint8Array } {
  const pieces: Buffer[] = []
  const encoder = new PxarEncoder({ archive: new PieceWriter((piece) => pieces.push(piece)) })
  encoder.startRoot(plainMetadata(0o40755))
  return {
    encoder,
    finish() {
      encoder.finish()
      return new Uint8Array(Buffer.concat(pieces))
    },
  }
}
