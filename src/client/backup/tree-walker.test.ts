import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { PxarDecoder } from '../../archive/pxar/decoder.ts'
import { PieceWriter } from '../../archive/pxar/piece-writer.ts'
import { copyContent } from './file-content.ts'
import { encodeTree, parseExcludes, startWalk } from './tree-walker.ts'
import { type WalkOptions, walkTree } from './walk-tree.ts'

interface Walked {
  /** `kind path`, in archive order, without the root. */
  readonly entries: string[]
  readonly contents: Map<string, string>
  readonly lines: string[]
}

interface WalkHooks extends Partial<Omit<WalkOptions, 'root' | 'excludes'>> {
  readonly exclude?: readonly string[]
  /** Called before each entry. */
  readonly beforeEntry?: (index: number) => void
}

function walk(root: string, hooks: WalkHooks = {}): Walked {
  const pieces: Buffer[] = []
  const lines: string[] = []
  const { exclude = [], beforeEntry, ...options } = hooks
  let index = 0
  const plan: WalkOptions = {
    root,
    excludes: parseExcludes({ exclude, onWarning: (line) => lines.push(line) }),
    includeDevices: [],
    skipE2bigXattr: false,
    entriesMax: 1000,
    owner: { uid: 1, gid: 2 },
    ...options,
  }
  walkTree(plan, {
    piece: (piece) => pieces.push(piece),
    catalog() {},
    warn: (line) => lines.push(line),
    log: (line) => lines.push(line),
    checkAbort: () => beforeEntry?.(index++),
  })
  return { ...decode(Buffer.concat(pieces)), lines }
}

function decode(archive: Buffer): Omit<Walked, 'lines'> {
  const entries: string[] = []
  const contents = new Map<string, string>()
  const path: string[] = []
  let last = ''
  const decoder = new PxarDecoder({
    entry(entry) {
      if (entry.name.length === 0) return
      last = [...path, entry.name.toString()].join('/')
      entries.push(`${entry.kind} ${last}`)
      if (entry.kind === 'directory') path.push(entry.name.toString())
      if (entry.kind === 'file') contents.set(last, '')
    },
    content(bytes) {
      contents.set(last, (contents.get(last) ?? '') + Buffer.from(bytes).toString('latin1'))
    },
    fileEnd() {},
    leaveDirectory: () => path.pop(),
  })
  decoder.push(archive)
  decoder.end()
  assert.ok(decoder.isDone)
  return { entries, contents }
}

async function folderWith(context: TestContext, ...paths: readonly string[]): Promise<string> {
  const root = await makeTemporaryFolder(context)
  for (const path of paths) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    if (path.endsWith('/')) mkdirSync(join(root, path), { recursive: true })
    else writeFileSync(join(root, path), `content of ${path}`)
  }
  return root
}

suite('walkTree()', () => {
  test('writes every kind of entry in byte order of names', async (context) => {
    const root = await folderWith(context, 'b/x', 'a', 'B', 'b-')
    symlinkSync('a', join(root, 'link'))
    linkSync(join(root, 'a'), join(root, 'z-hard'))
    execFileSync('mkfifo', [join(root, 'fifo')])
    const { entries, contents, lines } = walk(root)
    assert.deepEqual(entries, [
      'file B',
      'file a',
      'directory b',
      'file b/x',
      'file b-',
      'fifo fifo',
      'symlink link',
      'hardlink z-hard',
    ])
    assert.equal(contents.get('b/x'), 'content of b/x')
    assert.deepEqual(lines, [])
  })

  test('warns of what vanishes meanwhile and leaves it out', async (context) => {
    const root = await folderWith(context, 'a', 'b', 'c')
    const { entries, lines } = walk(root, {
      beforeEntry: (index) => index === 1 && rmSync(join(root, 'b')),
    })
    assert.deepEqual(entries, ['file a', 'file c'])
    assert.deepEqual(lines, ['warning: file vanished while reading: "b"'])
  })

  test('takes what a name has become when it is opened, and never waits for a FIFO', async (context) => {
    const root = await folderWith(context, 'a', 'b')
    const { entries } = walk(root, {
      beforeEntry(index) {
        if (index !== 0) return
        for (const name of ['a', 'b']) rmSync(join(root, name))
        execFileSync('mkfifo', [join(root, 'a')])
        symlinkSync('a', join(root, 'b'))
      },
    })
    assert.deepEqual(entries, ['fifo a', 'symlink b'])
  })

  const isRoot = process.getuid?.() === 0
  test('warns of what may not be read', {
    skip: isRoot && 'root may read all',
  }, async (context) => {
    const root = await folderWith(context, 'a', 'd/x')
    chmodSync(join(root, 'a'), 0)
    chmodSync(join(root, 'd'), 0)
    const { entries, lines } = walk(root)
    chmodSync(join(root, 'd'), 0o700)
    assert.deepEqual(entries, [])
    assert.deepEqual(lines, [
      'failed to open file: "a": access denied',
      'failed to open file: "d": access denied',
    ])
  })

  test('counts the entries of the directories on the way down', async (context) => {
    const root = await folderWith(context, 'a', 'b', 'd/a', 'd/b', 'e/a', 'e/b')
    assert.throws(() => walk(root, { entriesMax: 5 }), {
      message: 'exceeded allowed number of file entries (> 5)',
    })
    assert.equal(walk(root, { entriesMax: 6 }).entries.length, 8)
  })

  test('refuses a virtual file system', { skip: process.platform !== 'linux' }, () => {
    assert.throws(() => walk('/proc/self'), {
      message: 'refusing to backup a virtual file system',
    })
  })

  test('leaves the content of other file systems out', { skip: noMountBelowDev() }, () => {
    const { entries, lines } = walk('/dev', { entriesMax: 100_000 })
    assert.ok(entries.includes('directory shm'))
    assert.ok(!entries.some((entry) => entry.includes(' shm/')))
    assert.ok(lines.includes('skipping mount point: "shm"'))
  })
})

function noMountBelowDev(): string | false {
  try {
    if (lstatSync('/dev').dev !== lstatSync('/dev/shm').dev) return false
  } catch {
    // Told below.
  }
  return 'needs /dev/shm as a file system of its own'
}

suite('walkTree() with exclude patterns', () => {
  test('records those of the command line at the end of the root', async (context) => {
    const root = await folderWith(
      context,
      'a.tmp',
      'b',
      'd/c.tmp',
      'd/keep.tmp',
      '.pxarexclude-cli',
    )
    const { entries, contents } = walk(root, { exclude: ['*.tmp', '!keep.tmp'] })
    assert.deepEqual(entries, ['file b', 'directory d', 'file d/keep.tmp', 'file .pxarexclude-cli'])
    assert.equal(contents.get('.pxarexclude-cli'), '*.tmp\n!keep.tmp\n')
  })

  test('obeys .pxarexclude below its directory, the deeper before the outer', async (context) => {
    const root = await folderWith(context, 'a', 'd/a', 'd/e/a', 'd/e/b', 'd/b', 'b')
    writeFileSync(join(root, '.pxarexclude'), '# comment\n\n  a  \n')
    writeFileSync(join(root, 'd/.pxarexclude'), '/b\n')
    writeFileSync(join(root, 'd/e/.pxarexclude'), '!a\n')
    assert.deepEqual(walk(root).entries, [
      'file .pxarexclude',
      'file b',
      'directory d',
      'file d/.pxarexclude',
      'directory d/e',
      'file d/e/.pxarexclude',
      'file d/e/a',
      'file d/e/b',
    ])
  })

  test('tells bad lines and goes on', async (context) => {
    const root = await folderWith(context, 'a', 'd/b')
    writeFileSync(join(root, 'd/.pxarexclude'), '[x\nb/../b\n')
    const { entries, lines } = walk(root)
    assert.deepEqual(entries, ['file a', 'directory d', 'file d/.pxarexclude'])
    assert.match(lines[0] ?? '', /^bad pattern in "d": unclosed character class in pattern/)
    assert.match(lines[1] ?? '', /^Sanitized exclude pattern\./)
  })

  test('does not wait for a .pxarexclude that is a FIFO', async (context) => {
    const root = await folderWith(context, 'a')
    execFileSync('mkfifo', [join(root, '.pxarexclude')])
    const { entries, lines } = walk(root)
    assert.deepEqual(entries, ['fifo .pxarexclude', 'file a'])
    assert.equal(lines.length, 1)
  })
})

suite('parseExcludes()', () => {
  test('normalises as the backup command does', () => {
    const lines: string[] = []
    const onWarning = (line: string) => lines.push(line)
    const texts = ['a//b/./c', '!x/../foo', '!./foo', '../up', 'd/']
    const patterns = parseExcludes({ exclude: texts, skipLostAndFound: true, onWarning })
    assert.deepEqual(
      patterns.map(({ type, pattern, directoriesOnly }) => [type, pattern, directoriesOnly]),
      [
        ['exclude', 'a/b/c', false],
        ['exclude', 'foo', false],
        ['include', './foo', false],
        ['exclude', 'up', false],
        ['exclude', 'd', true],
        ['exclude', 'lost+found', false],
      ],
    )
    assert.equal(lines.length, 3)
  })

  test('says which pattern is wrong', () => {
    assert.throws(() => parseExcludes({ exclude: ['a\\'], onWarning() {} }), {
      message: 'invalid exclude pattern entry: trailing backslash in pattern',
    })
  })
})

suite('copyContent()', () => {
  async function copy(context: TestContext, content: string, size: number) {
    const path = join(await makeTemporaryFolder(context), 'f')
    writeFileSync(path, content)
    const pieces: Buffer[] = []
    const out = new PieceWriter((piece) => pieces.push(piece))
    const fd = openSync(path, 'r')
    const change = copyContent(fd, size, out)
    closeSync(fd)
    out.flush()
    return { change, bytes: Buffer.concat(pieces) }
  }

  test('takes a file of the size announced', async (context) => {
    const { change, bytes } = await copy(context, 'hello', 5)
    assert.deepEqual([change, bytes.toString()], [null, 'hello'])
  })

  test('pads a file that has shrunk with zeros', async (context) => {
    const { change, bytes } = await copy(context, 'hello', 3_000_000)
    assert.equal(change, 'shrunk')
    assert.equal(bytes.length, 3_000_000)
    assert.ok(bytes.subarray(5).every((byte) => byte === 0))
  })

  test('cuts a file that has grown, also an empty one', async (context) => {
    const { change, bytes } = await copy(context, 'hello', 3)
    assert.deepEqual([change, bytes.toString()], ['grown', 'hel'])
    assert.equal((await copy(context, 'x', 0)).change, 'grown')
  })

  test('reads holes as zeros', async (context) => {
    const path = join(await makeTemporaryFolder(context), 'f')
    writeFileSync(path, '')
    truncateSync(path, 5_000_000)
    const pieces: Buffer[] = []
    const fd = openSync(path, 'r')
    const out = new PieceWriter((piece) => pieces.push(piece))
    assert.equal(copyContent(fd, 5_000_000, out), null)
    closeSync(fd)
    out.flush()
    assert.equal(Buffer.concat(pieces).length, 5_000_000)
  })
})

suite('encodeTree()', () => {
  test('gives what the walk writes, from a thread', async (context) => {
    const root = await folderWith(context, 'a', 'd/b')
    writeFileSync(join(root, 'large'), Buffer.alloc(9_000_000, 'x'))
    const pieces: Uint8Array[] = []
    for await (const piece of encodeTree(root, { onWarning: assert.fail })) {
      pieces.push(piece.slice())
    }
    const { entries, contents } = decode(Buffer.concat(pieces))
    assert.deepEqual(entries, ['file a', 'directory d', 'file d/b', 'file large'])
    assert.equal(contents.get('large')?.length, 9_000_000)
  })

  test('ends the walk when the receiver leaves', async (context) => {
    const root = await makeTemporaryFolder(context)
    writeFileSync(join(root, 'large'), '')
    truncateSync(join(root, 'large'), 1 << 30)
    let count = 0
    for await (const piece of encodeTree(root, { onWarning: assert.fail })) {
      count += piece.length
      if (count > 20_000_000) break
    }
    assert.ok(count < 30_000_000)
  })

  test('takes over a walk that was started before; one that nobody takes ends', async (context) => {
    const root = await folderWith(context, 'a', 'd/b')
    const options = { onWarning: assert.fail }
    const pieces: Uint8Array[] = []
    for await (const piece of encodeTree(root, { ...options, walk: startWalk(root, options) })) {
      pieces.push(piece.slice())
    }
    assert.deepEqual(decode(Buffer.concat(pieces)).entries, ['file a', 'directory d', 'file d/b'])
    writeFileSync(join(root, 'large'), '')
    truncateSync(join(root, 'large'), 1 << 30)
    await startWalk(root, options)[Symbol.asyncDispose]()
  })

  test('throws the reason when it is aborted', async (context) => {
    const root = await makeTemporaryFolder(context)
    writeFileSync(join(root, 'large'), '')
    truncateSync(join(root, 'large'), 1 << 30)
    const controller = new AbortController()
    const stream = encodeTree(root, { onWarning: assert.fail, signal: controller.signal })
    await assert.rejects(async () => {
      for await (const _piece of stream) controller.abort(new Error('enough'))
    }, /^Error: enough$/)
  })

  test('says what it cannot open, with code and cause', async (context) => {
    const path = join(await makeTemporaryFolder(context), 'none')
    const stream = encodeTree(path, { onWarning: assert.fail })
    await assert.rejects(stream.next(), {
      code: 'SOURCE_UNREADABLE',
      kind: 'Io',
      message: `open failed on "${path}"`,
    })
  })
})
