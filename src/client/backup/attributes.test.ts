/**
 * Attributes on a file system in memory: stock leaves them out there, with ACLs and capabilities,
 * although tmpfs keeps them.
 */
import assert from 'node:assert/strict'
import { mkdirSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { listDisk } from '../../../test/support/tree-listing.ts'
import { lsetxattr } from '../../base/fs/native-xattr.ts'
import { extractTree } from '../restore/extract.ts'
import { featuresOf } from './file-system-features.ts'
import { encodeTree } from './tree-walker.ts'

const TMPFS = 0x01021994
const FUSE = 0x65735546
const FAT = 0x4d44
const MEMORY = '/dev/shm'

function isMemory(): boolean {
  try {
    return statfsSync(MEMORY).type === TMPFS
  } catch {
    return false
  }
}

/** `cap_net_bind_service=ep`. */
const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex')
/** Owner rw, user 1000 r, group r, mask r, others none. */
const ACL = Buffer.from(
  '0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000000ffffffff',
  'hex',
)

suite('attributes of trees', () => {
  const skip =
    process.getuid?.() !== 0
      ? 'only root can set capabilities'
      : isMemory()
        ? false
        : `${MEMORY} is no file system in memory`

  test('ACLs, capabilities and attributes survive on tmpfs', { skip }, async (context) => {
    const folder = await makeTemporaryFolder(context)
    const source = join(folder, 'source')
    mkdirSync(join(source, 'd'), { recursive: true })
    writeFileSync(join(source, 'f'), 'content')
    lsetxattr(join(source, 'f'), 'trusted.cairn', Buffer.from('value'))
    lsetxattr(join(source, 'f'), 'security.capability', CAPABILITY)
    lsetxattr(join(source, 'd'), 'system.posix_acl_default', ACL)
    lsetxattr(join(source, 'd'), 'system.posix_acl_access', ACL)
    const before = listDisk(source)
    assert.equal(Object.keys(before.get('f')?.xattrs ?? {}).length, 2)
    assert.equal(Object.keys(before.get('d')?.xattrs ?? {}).length, 2)
    const target = join(folder, 'target')
    const onWarning = assert.fail
    await extractTree(encodeTree(source, { onWarning }), target, { onWarning })
    assert.deepEqual([...listDisk(target)], [...before])
  })

  test('many long names survive as well', { skip }, async (context) => {
    const folder = await makeTemporaryFolder(context)
    const source = join(folder, 'source')
    mkdirSync(source)
    writeFileSync(join(source, 'f'), 'content')
    for (let at = 0; at < 20; at++) {
      lsetxattr(join(source, 'f'), `trusted.${'x'.repeat(100)}${at}`, Buffer.from([at]))
    }
    const before = listDisk(source)
    assert.equal(Object.keys(before.get('f')?.xattrs ?? {}).length, 20)
    const target = join(folder, 'target')
    const onWarning = assert.fail
    await extractTree(encodeTree(source, { onWarning }), target, { onWarning })
    assert.deepEqual([...listDisk(target)], [...before])
  })

  test('are looked for on every file system', () => {
    const all = { xattrs: true, acl: true, fcaps: true, quotaProjectId: true }
    for (const magic of [TMPFS, FUSE, FAT, 0xef53, 1]) {
      const { fatAttributes, ...others } = featuresOf(magic)
      assert.deepEqual(others, all)
      assert.equal(fatAttributes, magic === FUSE || magic === FAT)
    }
  })
})
