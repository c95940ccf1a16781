import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { PxarEncoder } from '../../archive/pxar/encoder.ts'
import { PieceWriter } from '../../archive/pxar/piece-writer.ts'
import { type EntryMetadata, plainMetadata } from '../../archive/tree-entry.ts'
import { type ExtractOptions, extractTree, planExtraction } from './extract.ts'
import { startExtraction } from './extraction.ts'

const uid = process.getuid?.() ?? 0
const gid = process.getgid?.() ?? 0
const NOBODY = 65_534

function owned(mode: number): EntryMetadata {
  return plainMetadata(mode, { uid, gid, mtimeSec: 1_700_000_000, mtimeNsec: 123_456_789 })
}

const DIRECTORY = owned(0o40755)
const FILE = owned(0o100644)
const LINK = owned(0o120777)

type Fill = (encoder: PxarEncoder) => void

function archive(fill: Fill): Buffer {
  const pieces: Buffer[] = []
  const encoder = new PxarEncoder({ archive: new PieceWriter((piece) => pieces.push(piece)) })
  encoder.startRoot(DIRECTORY)
  fill(encoder)
  encoder.finish()
  return Buffer.concat(pieces)
}

function addFile(encoder: PxarEncoder, name: string, content: string | Buffer = name): number {
  const bytes = Buffer.from(content)
  const position = encoder.addFile(Buffer.from(name), FILE, bytes.length)
  encoder.content.copy(bytes)
  return position
}

function addTree(encoder: PxarEncoder, name: string, fill: () => void): void {
  encoder.startDirectory(Buffer.from(name), DIRECTORY)
  fill()
  encoder.endDirectory()
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes)
}

async function extract(
  context: TestContext,
  fill: Fill,
  options: ExtractOptions & { readonly prepare?: (target: string) => void } = {},
): Promise<string> {
  const target = join(await makeTemporaryFolder(context), 'target')
  mkdirSync(target)
  options.prepare?.(target)
  // Without the thread around it, which costs more than all the rest.
  const run = startExtraction(planExtraction(target, options), {
    onError: options.onError ?? null,
    onWarning: options.onWarning ?? assert.fail,
  })
  try {
    run.push(archive(fill))
    run.finish()
  } finally {
    run.close()
  }
  return target
}

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) {
    yield* once(bytes.subarray(start, start + size))
  }
}

/** Root gives up what only root may do, until it is called back. */
function becomeOrdinary(target: string): void {
  if (uid !== 0) return
  chmodSync(join(target, '..'), 0o711)
  chownSync(target, NOBODY, NOBODY)
  process.seteuid?.(NOBODY)
}

/** All paths below `folder`, sorted. */
function paths(folder: string): string[] {
  return readdirSync(folder, { recursive: true }).map(String).sort()
}

suite('extractTree()', () => {
  test('restores content, permissions and times', async (context) => {
    const target = await extract(context, (encoder) => {
      addTree(encoder, 'd', () => addFile(encoder, 'f', 'hello'))
      encoder.addSymlink(Buffer.from('l'), LINK, Buffer.from('d/f'))
    })
    assert.equal(readFileSync(join(target, 'l'), 'utf8'), 'hello')
    for (const path of ['', 'd', 'd/f', 'l']) {
      const { mtimeNs } = lstatSync(join(target, path), { bigint: true })
      assert.equal(mtimeNs, 1_700_000_000_123_456_789n, path)
    }
    assert.equal(statSync(join(target, 'd')).mode & 0o7777, 0o755)
  })

  test('writes in a thread what comes in pieces', async (context) => {
    const target = join(await makeTemporaryFolder(context), 'target')
    const content = Buffer.alloc(5_000_000, 'content ')
    const bytes = archive((encoder) => {
      addFile(encoder, 'large', content)
      addFile(encoder, 'small')
    })
    const statistics = await extractTree(pieces(bytes, 70_001), target)
    assert.deepEqual(statistics, { entries: 2, bytes: content.length + 5 })
    assert.ok(readFileSync(join(target, 'large')).equals(content))
  })

  test('tells failed entries of the thread with their cause', async (context) => {
    const target = await makeTemporaryFolder(context)
    writeFileSync(join(target, 'f'), 'old')
    const bytes = archive((encoder) => addFile(encoder, 'f'))
    await assert.rejects(extractTree(once(bytes), target), {
      code: 'EXTRACT_ENTRY_FAILED',
      kind: 'Io',
      message: /failed to create file "f": EEXIST: File exists$/,
    })
  })

  test('leaves holes where content is zero', async (context) => {
    const content = Buffer.alloc(3 * 1024 * 1024)
    content.write('middle', 1_500_000)
    const target = await extract(context, (encoder) => addFile(encoder, 'sparse', content))
    const path = join(target, 'sparse')
    assert.ok(readFileSync(path).equals(content))
    assert.ok(statSync(path).blocks * 512 < 1024 * 1024)
  })

  test('makes hard links', async (context) => {
    const target = await extract(context, (encoder) => {
      let position = 0
      addTree(encoder, 'd', () => {
        position = addFile(encoder, 'f')
      })
      encoder.addHardlink(Buffer.from('h'), { path: Buffer.from('d/f'), position })
    })
    assert.equal(statSync(join(target, 'h')).ino, statSync(join(target, 'd/f')).ino)
  })

  test('fails on an existing file, and replaces it when told so', async (context) => {
    const prepare = (target: string) => writeFileSync(join(target, 'f'), 'something longer')
    const fill: Fill = (encoder) => addFile(encoder, 'f', 'new')
    await assert.rejects(extract(context, fill, { prepare }), {
      message:
        'encountered unexpected error during extraction: error at entry "f": ' +
        'failed to extract file: failed to create file "f": EEXIST: File exists',
    })
    const target = await extract(context, fill, { prepare, overwriteFiles: true })
    assert.equal(readFileSync(join(target, 'f'), 'utf8'), 'new')
  })

  test('goes on after a failed entry when errors are collected', async (context) => {
    const messages: string[] = []
    const target = await extract(
      context,
      (encoder) => {
        addFile(encoder, 'a', 'new')
        addFile(encoder, 'b', 'new')
      },
      {
        prepare: (target) => writeFileSync(join(target, 'a'), 'old'),
        onError: (error) => messages.push(error.message),
      },
    )
    assert.equal(messages.length, 1)
    assert.equal(readFileSync(join(target, 'a'), 'utf8'), 'old')
    assert.equal(readFileSync(join(target, 'b'), 'utf8'), 'new')
  })

  test('leaves attributes out that an archive may not decide about', async (context) => {
    const lines: string[] = []
    const xattrs = [{ name: Buffer.from('security.selinux'), value: Buffer.from('x') }]
    const fill: Fill = (encoder) => encoder.addFile(Buffer.from('f'), { ...FILE, xattrs }, 0)
    await extract(context, fill, { onWarning: (line) => lines.push(line) })
    assert.deepEqual(lines, ['"f": skipping invalid xattr name "security.selinux"'])
  })

  test('leaves capabilities out for an ordinary user who ignores attributes', async (context) => {
    const lines: string[] = []
    const fcaps = Buffer.from('0100000200040000000000000000000000000000', 'hex')
    const fill: Fill = (encoder) => encoder.addFile(Buffer.from('f'), { ...FILE, fcaps }, 0)
    const options = { ignoreOwnership: true, prepare: becomeOrdinary }
    try {
      const target = await extract(context, fill, {
        ...options,
        ignoreXattrs: true,
        onWarning: (line) => lines.push(line),
      })
      assert.deepEqual(paths(target), ['f'])
      assert.deepEqual(lines, ['"f": file capabilities left out: only root can set them'])
    } finally {
      process.seteuid?.(uid)
    }
    // Not asked for, it is stock's error.
    const text =
      'encountered unexpected error during extraction: error at entry "f": failed to extract file: ' +
      'failed to set file capabilities: EPERM: Operation not permitted'
    try {
      await assert.rejects(extract(context, fill, options), { message: text })
    } finally {
      process.seteuid?.(uid)
    }
  })

  test('wants permission for existing directories', async (context) => {
    const prepare = (target: string) => mkdirSync(join(target, 'd'))
    const fill: Fill = (encoder) => addTree(encoder, 'd', () => addFile(encoder, 'f'))
    await assert.rejects(extract(context, fill, { prepare }), /failed to enter directory: EEXIST/)
    const target = await extract(context, fill, { prepare, allowExistingDirs: true })
    assert.deepEqual(paths(target), ['d', 'd/f'])
  })

  test('says what is wrong with an archive, and where', async (context) => {
    const whole = archive((encoder) => addFile(encoder, 'f'))
    const target = await makeTemporaryFolder(context)
    await assert.rejects(extractTree(once(whole.subarray(0, 20)), join(target, 'a')), {
      message:
        'failed to initialize extractor: error reading pxar archive: unexpected EOF in entry',
    })
    await assert.rejects(extractTree(once(whole.subarray(0, 100)), join(target, 'b')), {
      message:
        'encountered unexpected error during extraction: error reading pxar archive: ' +
        'unexpected EOF in entry',
    })
  })

  test('stops when it is aborted', async (context) => {
    const controller = new AbortController()
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield archive((encoder) => addFile(encoder, 'f')).subarray(0, 80)
      controller.abort(new Error('enough'))
      for (;;) yield await Promise.resolve(new Uint8Array(1024 * 1024))
    }
    const target = join(await makeTemporaryFolder(context), 't')
    await assert.rejects(extractTree(endless(), target, { signal: controller.signal }), /enough/)
  })
})

/** Table of pxar.md 16.1. */
suite('extractTree() with patterns', () => {
  const fill: Fill = (encoder) => {
    addTree(encoder, 'd1', () => {
      addTree(encoder, 'e1', () => {
        addFile(encoder, 'x.txt')
        addFile(encoder, 'y.tmp')
      })
      addTree(encoder, 'empty', () => {})
      addFile(encoder, 'f1')
      addFile(encoder, 'f2')
    })
    addTree(encoder, 'emptytop', () => {})
    addFile(encoder, 'f1')
  }
  const whole = ['d1', 'd1/e1', 'd1/e1/x.txt', 'd1/e1/y.tmp', 'd1/empty', 'd1/f1', 'd1/f2']
  const rows: readonly (readonly [readonly string[], readonly string[]])[] = [
    [['d1'], whole],
    [['/d1'], whole],
    [['d1/'], whole],
    [['/d1/*'], whole.filter((path) => path !== 'd1/empty')],
    [['*.txt'], ['d1', 'd1/e1', 'd1/e1/x.txt']],
    [['/d1', '!*.tmp'], whole.filter((path) => !path.endsWith('.tmp'))],
    [['d1', '!e1'], whole.filter((path) => !path.includes('e1'))],
    [['!d1'], []],
    [['empty'], []],
    [['emptytop'], []],
    [['**'], [...whole, 'f1']],
  ]
  for (const [patterns, expected] of rows) {
    test(`takes what ${patterns.join(' ')} says`, async (context) => {
      assert.deepEqual(paths(await extract(context, fill, { patterns })), expected)
    })
  }

  test('refuses a pattern of one letter', async (context) => {
    await assert.rejects(extract(context, fill, { patterns: ['a'] }), { code: 'PATTERN_INVALID' })
  })
})

suite('extractTree() never writes outside the target', () => {
  const everything: ExtractOptions = {
    allowExistingDirs: true,
    overwriteFiles: true,
    overwriteSymlinks: true,
    overwriteHardlinks: true,
  }

  test('through a link to a directory that is in the way', async (context) => {
    const outside = await makeTemporaryFolder(context)
    const fill: Fill = (encoder) => addTree(encoder, 'd', () => addFile(encoder, 'f'))
    const prepare = (target: string) => symlinkSync(outside, join(target, 'd'))
    await assert.rejects(extract(context, fill, { ...everything, prepare }), /ENOTDIR|ELOOP/)
    assert.deepEqual(readdirSync(outside), [])
  })

  test('through a link of the archive that a later directory of its name would follow', async (context) => {
    const outside = await makeTemporaryFolder(context)
    const fill: Fill = (encoder) => {
      encoder.addSymlink(Buffer.from('d'), LINK, Buffer.from(outside))
      addTree(encoder, 'd', () => addFile(encoder, 'f'))
    }
    await assert.rejects(extract(context, fill, everything), /failed to enter directory/)
    assert.deepEqual(readdirSync(outside), [])
  })

  test('through a link in the place of a file', async (context) => {
    const outside = join(await makeTemporaryFolder(context), 'victim')
    writeFileSync(outside, 'untouched')
    const prepare = (target: string) => symlinkSync(outside, join(target, 'f'))
    const fill: Fill = (encoder) => addFile(encoder, 'f', 'new')
    const target = await extract(context, fill, { ...everything, prepare })
    assert.equal(readFileSync(outside, 'utf8'), 'untouched')
    assert.ok(lstatSync(join(target, 'f')).isFile())
  })

  for (const path of ['../victim', '/etc/passwd', 'd/../../victim', 'out/victim', '.', 'd//f']) {
    test(`by a hard link to ${path}`, async (context) => {
      const parent = await makeTemporaryFolder(context)
      writeFileSync(join(parent, 'victim'), 'untouched')
      const fill: Fill = (encoder) => {
        addTree(encoder, 'd', () => addFile(encoder, 'f'))
        encoder.addHardlink(Buffer.from('h'), { path: Buffer.from(path), position: 56 })
        encoder.addSymlink(Buffer.from('out'), LINK, Buffer.from(parent))
      }
      const target = join(parent, 'target')
      // `out` is there already, as an earlier run could have left it.
      mkdirSync(target)
      symlinkSync(parent, join(target, 'out'))
      const run = startExtraction(planExtraction(target, everything), {
        onError: null,
        onWarning: assert.fail,
      })
      assert.throws(() => run.push(archive(fill)), { code: 'EXTRACT_ENTRY_FAILED' })
      run.close()
      assert.equal(existsSync(join(target, 'h')), false)
      assert.equal(statSync(join(parent, 'victim')).nlink, 1)
    })
  }

  test('and keeps targets of links as they are, wherever they point', async (context) => {
    const fill: Fill = (encoder) =>
      encoder.addSymlink(Buffer.from('l'), LINK, Buffer.from('../../etc/passwd'))
    const target = await extract(context, fill)
    assert.equal(readlinkSync(join(target, 'l')), '../../etc/passwd')
  })
})
