import assert from 'node:assert/strict'
import { lstatSync, openSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { hasCode, isSystemError } from '../errors.ts'
import {
  mkfifo,
  mknod,
  missingNativeCalls,
  nativeFunction,
  statfsMagic,
  syncfs,
  utimensat,
} from './native.ts'
import { cryptPassword, makeCryptSetting } from './native-crypt.ts'
import {
  readFatAttributes,
  readFileFlags,
  readProjectId,
  writeFileFlags,
} from './native-file-flags.ts'
import { lookupGroup, lookupUid, lookupUser } from './native-users.ts'
import { lgetxattr, llistxattr, lremovexattr, lsetxattr } from './native-xattr.ts'

const skip = missingNativeCalls().length > 0 && 'needs the native seam'
const isRoot = process.getuid?.() === 0
/** A name that is not UTF-8. */
const RAW_NAME = Buffer.from([0x66, 0xff, 0x6f])

suite('native calls', { skip }, () => {
  test('a call that the C library lacks is said to be missing', () => {
    assert.throws(
      () => nativeFunction('int no_such_call_anywhere(int)'),
      (error) => hasCode(error, 'NATIVE_UNSUPPORTED'),
    )
  })

  test('utimensat() keeps nanoseconds, before the epoch too, and does not follow links', async (t) => {
    const folder = await makeTemporaryFolder(t, { onDisk: true })
    const path = join(folder, 'file')
    const link = join(folder, 'link')
    writeFileSync(path, '')
    symlinkSync('file', link)
    for (const mtimeNs of [1_234_567_890_123_456_789n, 5n, -1n, -1_500_000_000n]) {
      utimensat(link, { atimeNs: 7n, mtimeNs }, { noFollow: true })
      assert.equal(lstatSync(link, { bigint: true }).mtimeNs, mtimeNs)
      utimensat(path, { atimeNs: 'keep', mtimeNs })
      assert.equal(lstatSync(path, { bigint: true }).mtimeNs, mtimeNs)
    }
    assert.throws(
      () => utimensat(join(folder, 'not'), { atimeNs: 'now', mtimeNs: 'now' }),
      (error) => isSystemError(error, 'ENOENT'),
    )
  })

  test('paths may be bytes that are not UTF-8, and may not hold a zero byte', async (t) => {
    const path = Buffer.concat([Buffer.from(`${await makeTemporaryFolder(t)}/`), RAW_NAME])
    writeFileSync(path, '')
    utimensat(path, { atimeNs: 1n, mtimeNs: 2n })
    assert.equal(lstatSync(path, { bigint: true }).mtimeNs, 2n)
    assert.throws(
      () => utimensat('a\0b', { atimeNs: 1n, mtimeNs: 2n }),
      (error) => isSystemError(error, 'EINVAL'),
    )
  })

  test('mkfifo() makes a pipe', async (t) => {
    const path = join(await makeTemporaryFolder(t), 'pipe')
    mkfifo(path, 0o600)
    assert.ok(lstatSync(path).isFIFO())
    assert.throws(
      () => mkfifo(path, 0o600),
      (error) => isSystemError(error, 'EEXIST'),
    )
  })

  test('mknod() makes a device', { skip: !isRoot && 'needs root' }, async (t) => {
    const path = join(await makeTemporaryFolder(t, { onDisk: true }), 'null')
    const device = lstatSync('/dev/null').rdev
    mknod(path, 0o020000 | 0o600, device)
    const made = lstatSync(path)
    assert.ok(made.isCharacterDevice())
    assert.equal(made.rdev, device)
  })

  test('statfsMagic() tells procfs', () => {
    assert.equal(statfsMagic('/proc'), 0x9fa0)
  })

  test('syncfs() fails for what is no descriptor', async () => {
    await assert.rejects(syncfs(-1), (error) => isSystemError(error, 'EBADF'))
  })
})

suite('extended attributes', { skip }, () => {
  /** A file with attributes allowed, or null where the file system has none. */
  async function fileWithAttributes(t: test.TestContext): Promise<string | null> {
    const path = join(await makeTemporaryFolder(t, { onDisk: true }), 'file')
    writeFileSync(path, '')
    try {
      lsetxattr(path, 'user.cairn', Buffer.from('probe'))
      lremovexattr(path, 'user.cairn')
      return path
    } catch (error) {
      if (!isSystemError(error, 'ENOTSUP')) throw error
      t.skip('needs a file system with user attributes')
      return null
    }
  }

  test('are set, listed, read, replaced and removed', async (t) => {
    const path = await fileWithAttributes(t)
    if (path === null) return
    const large = Buffer.alloc(2000, 5)
    lsetxattr(path, 'user.empty', Buffer.alloc(0))
    lsetxattr(path, 'user.large', large)
    lsetxattr(path, Buffer.from('user.small'), Buffer.from('a'))
    lsetxattr(path, 'user.small', Buffer.from('b'))
    const names = llistxattr(path).map(String)
    assert.deepEqual(names.filter((name) => name.startsWith('user.')).sort(), [
      'user.empty',
      'user.large',
      'user.small',
    ])
    assert.equal(lgetxattr(path, 'user.empty')?.length, 0)
    assert.ok(lgetxattr(path, 'user.large')?.equals(large))
    assert.equal(lgetxattr(path, 'user.small')?.toString(), 'b')
    assert.equal(lgetxattr(path, 'user.other'), null)
    assert.equal(lremovexattr(path, 'user.small'), true)
    assert.equal(lremovexattr(path, 'user.small'), false)
  })

  test('are those of the link, not of what it points to', async (t) => {
    const path = await fileWithAttributes(t)
    if (path === null) return
    lsetxattr(path, 'user.a', Buffer.from('1'))
    symlinkSync('file', `${path}-link`)
    assert.equal(readlinkSync(`${path}-link`), 'file')
    assert.equal(lgetxattr(`${path}-link`, 'user.a'), null)
    assert.throws(
      () => lsetxattr(`${path}-link`, 'user.a', Buffer.from('1')),
      (error) => isSystemError(error, 'EPERM', 'ENOTSUP'),
    )
    assert.throws(
      () => llistxattr(`${path}-not`),
      (error) => isSystemError(error, 'ENOENT'),
    )
  })
})

suite('file flags and project ids', { skip }, () => {
  test('flags are read and set where the file system has them', async (t) => {
    const path = join(await makeTemporaryFolder(t, { onDisk: true }), 'file')
    await using file = await open(path, 'w+')
    const before = readFileFlags(file.fd)
    if (before === null) return t.skip('needs a file system with flags')
    const FS_NODUMP_FL = 0x40
    writeFileFlags(file.fd, before | FS_NODUMP_FL)
    assert.equal(readFileFlags(file.fd), before | FS_NODUMP_FL)
    writeFileFlags(file.fd, before)
    assert.equal(readFatAttributes(file.fd), null)
    assert.equal(readProjectId(file.fd) ?? 0, 0)
  })

  test('a file system without them says null', () => {
    const fd = openSync('/proc/self/status', 'r')
    assert.equal(readFileFlags(fd), null)
    assert.equal(readProjectId(fd), null)
    assert.equal(readFatAttributes(fd), null)
  })
})

suite('cryptPassword()', { skip }, () => {
  /** As OpenSSL's own implementation gives them: `openssl passwd -5 -salt saltstring`. */
  for (const [password, hash] of [
    ['Hello world!', '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5'],
    [
      'Hello world!',
      '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJ' +
        'uesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
    ],
  ] as const) {
    test(`verifies ${hash.slice(0, 3)}`, async () => {
      assert.equal(await cryptPassword(password, hash), hash)
      assert.notEqual(await cryptPassword(`${password}x`, hash), hash)
    })
  }

  test('makes and verifies yescrypt hashes, several at a time', async (t) => {
    const setting = makeCryptSetting('$y$', 5, new Uint8Array(32).fill(7))
    if (setting === null) return t.skip('needs a libcrypt with yescrypt')
    assert.match(setting, /^\$y\$j9T\$/)
    const hashes = await Promise.all(
      ['a', 'b', 'a'].map(async (password) => await cryptPassword(password, setting)),
    )
    assert.ok(hashes[0]?.startsWith(setting))
    assert.equal(hashes[0], hashes[2])
    assert.notEqual(hashes[0], hashes[1])
    assert.equal(await cryptPassword('a', hashes[0] ?? ''), hashes[0])
  })

  test('answers null for settings it does not know and for zero bytes', async () => {
    assert.equal(await cryptPassword('a', '$nonsense$'), null)
    assert.equal(await cryptPassword('a', '*0'), null)
    assert.equal(await cryptPassword('a\0b', '$5$saltstring$'), null)
  })
})

suite('users and groups', { skip }, () => {
  test('root is found by name and number, strangers are not', () => {
    assert.equal(lookupUser('root')?.uid, 0)
    assert.equal(lookupUid(0)?.name, 'root')
    assert.equal(lookupGroup('root')?.gid, 0)
    assert.equal(lookupUser('no such user'), null)
    assert.equal(lookupGroup('no such group'), null)
    assert.equal(lookupUser('ro\0ot'), null)
  })
})
