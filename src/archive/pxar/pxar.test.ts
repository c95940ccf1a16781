import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { type EntryMetadata, plainMetadata, type TreeEntry } from '../tree-entry.ts'
import { PxarDecoder } from './decoder.ts'
import { PxarEncoder } from './encoder.ts'
import { PieceWriter } from './piece-writer.ts'

/** What a test tree says about one entry; files give their content, directories their children. */
interface Sample {
  readonly name: string
  readonly metadata: EntryMetadata
  readonly content?: string
  readonly target?: string
  readonly device?: { readonly major: number; readonly minor: number }
  readonly linkTo?: string
  readonly children?: readonly Sample[]
}

interface Encoded {
  readonly archive: Buffer
  readonly payload: Buffer
  readonly positions: Map<string, number>
}

function encode(root: Sample, options: { split: boolean; prelude?: string }): Encoded {
  const pieces: Buffer[] = []
  const payloadPieces: Buffer[] = []
  const archive = new PieceWriter((piece) => pieces.push(piece))
  const payload = new PieceWriter((piece) => payloadPieces.push(piece))
  const prelude = options.prelude === undefined ? undefined : Buffer.from(options.prelude)
  const encoder = new PxarEncoder(options.split ? { archive, payload, prelude } : { archive })
  const positions = new Map<string, number>()
  encoder.startRoot(root.metadata)
  for (const child of root.children ?? []) add(child, '')
  encoder.finish()
  return { archive: Buffer.concat(pieces), payload: Buffer.concat(payloadPieces), positions }

  function add(sample: Sample, parent: string): void {
    const name = Buffer.from(sample.name)
    const path = parent + sample.name
    if (sample.children !== undefined) {
      encoder.startDirectory(name, sample.metadata)
      for (const child of sample.children) add(child, `${path}/`)
      encoder.endDirectory()
    } else if (sample.content !== undefined) {
      positions.set(path, encoder.addFile(name, sample.metadata, sample.content.length))
      encoder.content.copy(Buffer.from(sample.content))
    } else if (sample.target !== undefined) {
      encoder.addSymlink(name, sample.metadata, Buffer.from(sample.target))
    } else if (sample.device !== undefined) {
      encoder.addDevice(name, sample.metadata, sample.device)
    } else if (sample.linkTo !== undefined) {
      const position = positions.get(sample.linkTo) ?? 0
      encoder.addHardlink(name, { path: Buffer.from(sample.linkTo), position })
    } else {
      encoder.addSpecial(name, sample.metadata)
    }
  }
}

const small: Sample = {
  name: '',
  metadata: plainMetadata(0o40755, { mtimeSec: 1700000000 }),
  children: [
    {
      name: 'a',
      metadata: plainMetadata(0o100644, {
        uid: 1000,
        gid: 1000,
        mtimeSec: 1700000001,
        mtimeNsec: 500_000_000,
      }),
      content: 'abc',
    },
    { name: 'l', metadata: plainMetadata(0o120777, { mtimeSec: 1700000002 }), target: 'a' },
  ],
}

const everyKind: Sample = {
  name: '',
  metadata: plainMetadata(0o40755),
  children: [
    {
      name: 'dir',
      metadata: plainMetadata(0o42775, {
        gid: 100,
        mtimeSec: -305112601,
        mtimeNsec: 999_000_000,
        acl: {
          users: [],
          groups: [],
          groupObj: null,
          default: { userObj: 7, groupObj: 5, other: 0, mask: null },
          defaultUsers: [{ id: 1001, permissions: 4 }],
          defaultGroups: [],
        },
      }),
      children: [
        { name: 'empty', metadata: plainMetadata(0o40755), children: [] },
        {
          name: 'f',
          metadata: plainMetadata(0o104755, {
            flags: 0x20000,
            uid: 1000,
            gid: 1000,
            mtimeSec: 1700000001,
            mtimeNsec: 500_000_000,
            xattrs: [{ name: Buffer.from('user.k'), value: Buffer.from('v') }],
            acl: {
              users: [{ id: 1001, permissions: 6 }],
              groups: [{ id: 50, permissions: 4 }],
              groupObj: 5,
              default: null,
              defaultUsers: [],
              defaultGroups: [],
            },
            fcaps: Buffer.from('0000000200200000000000000000000000000000', 'hex'),
            quotaProjectId: 7,
          }),
          content: 'hello',
        },
        { name: 'fifo', metadata: plainMetadata(0o10644) },
      ],
    },
    { name: 'hl', metadata: plainMetadata(0), linkTo: 'dir/f' },
    { name: 'null', metadata: plainMetadata(0o20666), device: { major: 1, minor: 3 } },
    { name: 'sock', metadata: plainMetadata(0o140644) },
    { name: 'z0', metadata: plainMetadata(0o100644), content: '' },
  ],
}

const VECTORS = [
  {
    title: 'pxar.md 11.1, unified',
    root: small,
    options: { split: false },
    size: 329,
    sha256: 'adcb42e275ba12f0558b7929346bc323fab64c7990ae775a1bb0bf028fecf312',
    payload: null,
  },
  {
    title: 'pxar.md 11.2, split with prelude',
    root: small,
    options: { split: true, prelude: '{"exclude-patterns":"*.tmp\\n"}' },
    size: 412,
    sha256: '6c1fe6a506e9b4bd2e0bc5c5b17234ce711b73d82fdb57ea85baa3f3517f56ab',
    payload: '35fb5ef99c42bb02211881f7c488ee1c08c7368997e88b0c9b191892a3dde78c',
  },
  {
    title: 'pxar.md 11.3, every kind of item, unified',
    root: everyKind,
    options: { split: false },
    size: 1272,
    sha256: '7e62f213c8800f9f4c9dd1f0f3ca942a6fb2d70f0dad4efd5ef1255861d1e2df',
    payload: null,
  },
  {
    title: 'pxar.md 11.3, every kind of item, split',
    root: everyKind,
    options: { split: true },
    size: 1323,
    sha256: 'ce812ea927fdcf6bbc99e93485c9a2957ec9f489534f36cf86751e7e5840e7b8',
    payload: 'e1485e18d9935baa12cbe23d423ea5a0f35067ad37f5f77693007fb4f4628867',
  },
]

suite('PxarEncoder', () => {
  for (const { title, root, options, size, sha256, payload } of VECTORS) {
    test(`writes ${title} byte for byte`, () => {
      const encoded = encode(root, options)
      assert.equal(encoded.archive.length, size)
      assert.equal(sha256Of(encoded.archive), sha256)
      if (payload !== null) assert.equal(sha256Of(encoded.payload), payload)
    })
  }

  test('refuses names that no directory can hold', () => {
    for (const name of ['', '.', '..', 'a/b', 'a\0b']) {
      const bad: Sample = { name, metadata: plainMetadata(0o10644) }
      const root = { ...small, children: [bad] }
      assert.throws(() => encode(root, { split: false }), { code: 'PXAR_INVALID' })
    }
  })
})

suite('PxarDecoder', () => {
  for (const { title, root, options } of VECTORS) {
    test(`reads ${title} back whatever the pieces`, () => {
      const { archive } = encode(root, options)
      const whole = decodeLines(archive, archive.length)
      assert.deepEqual(whole.slice(0, 1), ['directory:'])
      for (const pieceSize of [1, 7, 16, 100]) {
        assert.deepEqual(decodeLines(archive, pieceSize), whole)
      }
    })
  }

  test('tells metadata as it was written', () => {
    const entries = new Map<string, TreeEntry>()
    const { archive } = encode(everyKind, { split: false })
    decode(archive, archive.length, (entry) => entries.set(entry.name.toString(), entry))
    const file = entries.get('f')
    assert.ok(file?.kind === 'file')
    const expected = everyKind.children?.[0]?.children?.[1]?.metadata
    assert.deepEqual(file.metadata, expected)
    const link = entries.get('hl')
    assert.ok(link?.kind === 'hardlink')
    assert.deepEqual([link.back, link.target.toString()], [456, 'dir/f'])
    assert.deepEqual(
      { ...(entries.get('dir') as { metadata: EntryMetadata }).metadata },
      everyKind.children?.[0]?.metadata,
    )
  })

  test('refuses an archive cut at any byte', () => {
    const { archive } = encode(everyKind, { split: false })
    for (let size = 0; size < archive.length; size++) {
      assert.throws(() => decode(archive.subarray(0, size), 1 << 20), { kind: 'Corrupt' })
    }
  })

  test('ignores bytes after the root, as stock does', () => {
    const { archive } = encode(small, { split: false })
    decode(Buffer.concat([archive, Buffer.from('more')]), 1 << 20)
  })
})

function decodeLines(archive: Buffer, pieceSize: number): string[] {
  const lines: string[] = []
  const decoder = new PxarDecoder({
    prelude: (bytes) => lines.push(`prelude ${Buffer.from(bytes).toString()}`),
    entry: (entry) => lines.push(`${entry.kind}:${entry.name.toString()}`),
    content: (bytes) => {
      const last = lines.pop() ?? ''
      if (last.startsWith('content')) lines.push(`${last}${Buffer.from(bytes).toString()}`)
      else lines.push(last, `content ${Buffer.from(bytes).toString()}`)
    },
    fileEnd: () => lines.push('end'),
    leaveDirectory: () => lines.push('leave'),
  })
  pushAll(decoder, archive, pieceSize)
  return lines[0]?.startsWith('prelude') ? lines.slice(1) : lines
}

function decode(archive: Buffer, pieceSize: number, onEntry?: (entry: TreeEntry) => void): void {
  const decoder = new PxarDecoder({
    entry: (entry) => onEntry?.(entry),
    content() {},
    fileEnd() {},
    leaveDirectory() {},
  })
  pushAll(decoder, archive, pieceSize)
}

function pushAll(decoder: PxarDecoder, bytes: Buffer, pieceSize: number): void {
  for (let start = 0; start < bytes.length; start += pieceSize) {
    decoder.push(bytes.subarray(start, start + pieceSize))
  }
  decoder.end()
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
