/** The recorded trees through our walker and extractor, against what stock made of them. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { statfsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { makeNodeAt, openAt, closeFd } from '../../src/base/fs/native-at.ts'
import { utimensat } from '../../src/base/fs/native.ts'
import { openCatalog } from '../../src/client/backup/catalog-stream.ts'
import { type EncodeTreeOptions, encodeTree } from '../../src/client/backup/tree-walker.ts'
import { extractTree } from '../../src/client/restore/extract.ts'
import { unpackFixture } from '../support/fixture-files.ts'
import { goldenContents } from '../support/golden-datastore.ts'
import { pxarFixture } from '../support/pxar-fixture.ts'
import { listDisk, readListing } from '../support/tree-listing.ts'

const TMPFS = 0x01021994

/** Owners, devices and trusted attributes are only root's to restore. */
function reasonToSkip(): string | false {
  if (process.getuid?.() !== 0) return 'needs root: owners, devices, capabilities'
  if (statfsSync(tmpdir()).type === TMPFS) {
    return 'needs a disk for temporary files: tmpfs keeps no attributes'
  }
  return false
}

suite('the recorded trees', { skip: reasonToSkip() }, () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cairn-test-'))
    unpackTree('source')
    unpackTree('small')
  })
  after(async () => await rm(folder, { recursive: true, force: true }))

  test("give stock's archive byte for byte", async () => {
    const archive = await encode(join(folder, 'source'))
    assert.ok(archive.equals(pxarFixture('source.pxar')))
  })

  test("give stock's catalog byte for byte", async () => {
    assert.equal(
      await catalogHash([['source', 'root']]),
      golden('host/legacy', 'catalog.pcat1.didx'),
    )
    assert.equal(
      await catalogHash([['small', 'root']]),
      golden('host/signed', 'catalog.pcat1.didx'),
    )
  })

  test('give the archives and the catalog that stock made with exclude patterns', async () => {
    const exclude = ['*dash', '!names/-dash', '/latin*']
    const names = await encode(join(folder, 'small/names'), { exclude })
    assert.equal(sha256(names), golden('host/several', 'names.pxar.didx'))
    const attrs = await encode(join(folder, 'small/attrs'), { exclude })
    assert.equal(sha256(attrs), golden('host/several', 'etc.pxar.didx'))
    const catalog = await catalogHash(
      [
        ['small/attrs', 'etc'],
        ['small/names', 'names'],
      ],
      { exclude },
    )
    assert.equal(catalog, golden('host/several', 'catalog.pcat1.didx'))
  })

  test('come back as stock restores them, and with the no-dump attribute', async () => {
    const target = join(folder, 'restored')
    const statistics = await extractTree(pieces(pxarFixture('source.pxar'), 100_000), target)
    const expected = readListing('expected-after-restore.jsonl')
    assert.equal(statistics.entries, expected.size - 1)
    const flagged = expected.get('attrs/flags-nodump-noatime')
    if (flagged !== undefined) flagged.flags = '0xc0'
    assert.deepEqual(listDisk(target), expected)
    const again = await encode(target)
    assert.ok(again.equals(pxarFixture('source.pxar')))
  })

  function unpackTree(name: string): void {
    const root = join(folder, name)
    unpackFixture(name, root)
    const listing = readListing(`${name}.jsonl`)
    const socket = listing.get('socket')
    if (socket !== undefined) makeSocket(root, Number(socket.mode), BigInt(socket.mtime_ns))
    const flagged = 'attrs/flags-nodump-noatime'
    if (listing.get(flagged)?.flags === '0xc0') {
      execFileSync('chattr', ['+dA', join(root, flagged)])
    }
    const rootTime = BigInt(listing.get('.')?.mtime_ns ?? 0)
    utimensat(root, { atimeNs: 'keep', mtimeNs: rootTime })
  }

  async function catalogHash(
    archives: readonly (readonly [string, string])[],
    options: Partial<EncodeTreeOptions> = {},
  ): Promise<string> {
    const catalog = openCatalog()
    const hash = createHash('sha256')
    const consumed = consume(catalog.stream, (bytes) => hash.update(bytes))
    for (const [path, name] of archives) {
      catalog.writer.startArchive(`${name}.pxar.didx`)
      await encode(join(folder, path), { ...options, catalog: catalog.writer })
      catalog.writer.endArchive()
    }
    catalog.finish()
    await consumed
    return hash.digest('hex')
  }
})

async function encode(root: string, options: Partial<EncodeTreeOptions> = {}): Promise<Buffer> {
  const all: Uint8Array[] = []
  const fail = (line: string): never => assert.fail(`unexpected warning: ${line}`)
  const stream = encodeTree(root, { onWarning: fail, ...options })
  await consume(stream, (bytes) => all.push(bytes.slice()))
  return Buffer.concat(all)
}

async function consume(
  stream: AsyncIterable<Uint8Array>,
  take: (bytes: Uint8Array) => unknown,
): Promise<void> {
  for await (const bytes of stream) take(bytes)
}

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) {
    yield await Promise.resolve(bytes.subarray(start, start + size))
  }
}

function golden(group: string, file: string): string {
  const snapshot = goldenContents().snapshots.find(({ folder }) => folder.startsWith(`${group}/`))
  const found = snapshot?.files.find((one) => one.file === file)?.plain_sha256
  assert.ok(found !== undefined)
  return found
}

function makeSocket(root: string, mode: number, mtimeNs: bigint): void {
  const fd = openAt(-100, root, 0o200000)
  makeNodeAt(fd, 'socket', mode, { major: 0, minor: 0 })
  closeFd(fd)
  utimensat(join(root, 'socket'), { atimeNs: 'keep', mtimeNs })
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
