import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseSnapshot } from '../formats/names.ts'
import { parseNamespace, ROOT_NAMESPACE } from '../formats/namespace.ts'
import {
  escapeUnit,
  groupLockName,
  lockFolder,
  lockName,
  manifestLockName,
  relativeSnapshotPath,
  snapshotLockName,
  snapshotPath,
  temporaryIndexName,
} from './layout.ts'

const REF = parseSnapshot('vm/100/2022-05-02T08:11:33Z')

suite('layout', () => {
  test('lock files have stock names (datastore-semantics.md 5.2)', () => {
    const escaped = String.raw`vm-100-2022\x2d05\x2d02T08\x3a11\x3a33Z`
    assert.equal(groupLockName(REF), 'vm-100')
    assert.equal(snapshotLockName(REF), escaped)
    assert.equal(manifestLockName(REF), `${escaped}-.index.json.lck`)
    assert.equal(escapeUnit('.a.b'), String.raw`\x2ea.b`)
    assert.equal(escapeUnit('é'), String.raw`\xc3\xa9`)
  })

  test('a name of 255 bytes and more is hashed, one below is not', () => {
    assert.equal(lockName('a'.repeat(254)), 'a'.repeat(254))
    const long = `host/${'-'.repeat(90)}`
    const name = lockName(long)
    assert.match(name, /^hashed\/host-(?:\\x2d){18}\\x2\.\.\..{80}-[0-9a-f]{64}$/)
    assert.equal(name.length, 'hashed/'.length + 80 + 3 + 80 + 1 + 64)
  })

  test('folders of namespaces', () => {
    const ns = parseNamespace('a/b')
    assert.equal(lockFolder('/l', 's', ROOT_NAMESPACE), '/l/s')
    assert.equal(lockFolder('/l', 's', ns), '/l/s/a:b')
    assert.equal(snapshotPath('/d', ns, REF), '/d/ns/a/ns/b/vm/100/2022-05-02T08:11:33Z')
    assert.equal(relativeSnapshotPath(ns, REF), 'ns/a/ns/b/vm/100/2022-05-02T08:11:33Z')
    assert.equal(relativeSnapshotPath(ROOT_NAMESPACE, REF), 'vm/100/2022-05-02T08:11:33Z')
  })

  test('an open index has its extension replaced', () => {
    assert.equal(temporaryIndexName('a.img.fidx'), 'a.img.tmp_fidx')
    assert.equal(temporaryIndexName('root.pxar.didx'), 'root.pxar.tmp_didx')
  })
})
