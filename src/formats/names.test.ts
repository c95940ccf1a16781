import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { fc } from '../../test/support/fast-check.ts'

import { CairnError, hasCode } from '../base/errors.ts'
import { archiveKind, parseArchiveName, serverArchiveName } from './archive-name.ts'
import { authIdText, formatAuthId, parseAuthId, parseUserid, splitUserid } from './auth-id.ts'
import { formatBackupTime, parseBackupTime } from './backup-time.ts'
import {
  compareGroups,
  compareSnapshots,
  formatGroup,
  formatSnapshot,
  parseBackupId,
  parseBackupType,
  parseGroup,
  parseSnapshot,
  parseStoreName,
} from './names.ts'
import {
  isInNamespace,
  joinNamespace,
  namespaceComponents,
  namespaceDepth,
  namespaceFolder,
  parentNamespace,
  parseNamespace,
  ROOT_NAMESPACE,
} from './namespace.ts'

const safeId = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/)

function messageOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    assert.ok(error instanceof CairnError, 'a typed error')
    return error.message
  }
  return assert.fail('no error')
}

suite('groups and snapshots', () => {
  test('parseGroup() takes the three types and safe ids, with the text of stock otherwise', () => {
    assert.deepEqual(parseGroup('vm/100'), { type: 'vm', id: '100' })
    assert.equal(formatGroup(parseGroup('host/a.b-c_d')), 'host/a.b-c_d')
    for (const text of [
      '',
      'vm',
      'vm/',
      'vm/.x',
      'vm/-x',
      'VM/1',
      'xx/1',
      'vm/1/2',
      'vm/a b',
      'vm/1\n',
    ]) {
      assert.equal(
        messageOf(() => parseGroup(text)),
        `unable to parse backup group path '${text}'`,
      )
    }
  })

  test('parseSnapshot() is the inverse of formatSnapshot()', () => {
    const time = fc.integer({ min: -62_167_219_200, max: 253_402_300_799 })
    const type = fc.constantFrom('vm', 'ct', 'host')
    fc.assert(
      fc.property(type, safeId, time, (type, id, time) => {
        const ref = { type: parseBackupType(type), id: parseBackupId(id), time }
        assert.deepEqual(parseSnapshot(formatSnapshot(ref)), ref)
      }),
    )
  })

  test('parseSnapshot() refuses other texts with the text of stock', () => {
    const valid = 'vm/100/2022-05-02T08:11:33Z'
    assert.deepEqual(parseSnapshot(valid), { type: 'vm', id: '100', time: 1_651_479_093 })
    for (const text of [
      'vm/100',
      `${valid}/x`,
      `/${valid}`,
      valid.toLowerCase(),
      'vm/100/2022-02-30T00:00:00Z',
    ]) {
      assert.equal(
        messageOf(() => parseSnapshot(text)),
        `unable to parse backup snapshot path '${text}'`,
      )
    }
  })

  test('parseSnapshot() has nothing to add where the form is wrong', () => {
    assert.throws(
      () => parseSnapshot('vm/100/2022'),
      (error: Error) => error.cause === undefined,
    )
  })

  test('compareGroups() sorts by type, numbers by value before names, names bytewise', () => {
    const sorted = ['ct/9', 'ct/10', 'ct/x', 'host/007', 'host/7', 'host/18446744073709551615']
    sorted.push('host/18446744073709551616', 'host/A', 'host/_', 'host/a', 'vm/0')
    const shuffled = [...sorted].reverse().map(parseGroup)
    assert.deepEqual(shuffled.sort(compareGroups).map(formatGroup), sorted)
  })

  test('compareSnapshots() puts the oldest of a group first', () => {
    const texts = [
      'ct/1/2026-01-02T00:00:00Z',
      'ct/1/2026-01-01T00:00:00Z',
      'ct/0/2026-01-03T00:00:00Z',
    ]
    const sorted = texts.map(parseSnapshot).sort(compareSnapshots).map(formatSnapshot)
    assert.deepEqual(sorted, texts.toReversed())
  })

  test('parseStoreName() wants 3 to 32 safe characters', () => {
    assert.equal(parseStoreName('abc'), 'abc')
    for (const text of ['ab', 'a'.repeat(33), '.abc', 'a/b']) {
      assert.throws(() => parseStoreName(text), { code: 'STORE_NAME_INVALID' })
    }
  })
})

suite('backup times', () => {
  test('parseBackupTime() refuses what formatBackupTime() does not write', () => {
    assert.equal(parseBackupTime('1970-01-01T00:00:00Z'), 0)
    assert.equal(parseBackupTime('0050-01-01T00:00:00Z'), -60_589_296_000)
    const refused = [
      '2026-02-29T00:00:00Z',
      '2026-01-01T24:00:00Z',
      '2026-01-01T23:59:60Z',
      '2026-1-01T00:00:00Z',
    ]
    for (const text of [...refused, '', '2026-01-01T00:00:00+00:00', ' 2026-01-01T00:00:00Z']) {
      const message = messageOf(() => parseBackupTime(text))
      assert.ok(message.startsWith(`failed to parse rfc3339 timestamp ("${text}") - `), message)
    }
  })

  test('formatBackupTime() refuses times without a name', () => {
    assert.equal(formatBackupTime(1_767_225_600), '2026-01-01T00:00:00Z')
    for (const time of [
      0.5,
      Number.NaN,
      253_402_300_800,
      -62_167_219_201,
      Number.POSITIVE_INFINITY,
    ]) {
      assert.throws(() => formatBackupTime(time), { code: 'BACKUP_TIME_OUT_OF_RANGE' })
    }
  })
})

suite('namespaces', () => {
  test('parseNamespace() takes up to seven names, with the texts of stock otherwise', () => {
    assert.equal(parseNamespace(''), ROOT_NAMESPACE)
    assert.equal(namespaceDepth(parseNamespace('a/b/c/d/e/f/g')), 7)
    assert.equal(
      messageOf(() => parseNamespace('a/b/c/d/e/f/g/h')),
      'namespace too deep, 7 >= max 7',
    )
    assert.equal(
      messageOf(() => parseNamespace('a//b')),
      'not a valid namespace component: ',
    )
    assert.equal(
      messageOf(() => parseNamespace('a/..')),
      'not a valid namespace component: ..',
    )
    assert.equal(
      messageOf(() => parseNamespace(`${'a'.repeat(200)}/${'b'.repeat(60)}`)),
      'namespace length exceeded',
    )
  })

  test('namespaceFolder(), parentNamespace(), isInNamespace() agree with the names', () => {
    const namespace = parseNamespace('a/b')
    assert.equal(namespaceFolder(namespace), 'ns/a/ns/b')
    assert.equal(namespaceFolder(ROOT_NAMESPACE), '')
    assert.equal(parentNamespace(namespace), 'a')
    assert.equal(parentNamespace(parseNamespace('a')), '')
    assert.equal(parentNamespace(ROOT_NAMESPACE), null)
    assert.equal(isInNamespace(parseNamespace('ab'), parseNamespace('a')), false)
    assert.equal(isInNamespace(namespace, parseNamespace('a')), true)
    assert.equal(isInNamespace(namespace, namespace), true)
    assert.equal(isInNamespace(ROOT_NAMESPACE, namespace), false)
  })

  test('joinNamespace() is the inverse of parentNamespace()', () => {
    fc.assert(
      fc.property(fc.array(safeId, { minLength: 1, maxLength: 7 }), (names) => {
        const namespace = parseNamespace(names.join('/'))
        assert.deepEqual(namespaceComponents(namespace), names)
        const parent = parentNamespace(namespace)
        assert.equal(joinNamespace(parent ?? ROOT_NAMESPACE, names.at(-1) ?? ''), namespace)
      }),
    )
  })
})

suite('archive names', () => {
  test('parseArchiveName() knows the three kinds', () => {
    assert.deepEqual(parseArchiveName('root.pxar.didx'), { name: 'root.pxar', kind: 'dynamic' })
    assert.deepEqual(parseArchiveName('drive-scsi0.img.fidx'), {
      name: 'drive-scsi0.img',
      kind: 'fixed',
    })
    assert.deepEqual(parseArchiveName('fw.conf.blob'), { name: 'fw.conf', kind: 'blob' })
    for (const name of ['owner', '.blob', 'root.pxar.tmp_didx', 'x.didx.tmp', 'blob']) {
      assert.equal(parseArchiveName(name), null, name)
    }
    assert.equal(
      messageOf(() => archiveKind('a.img')),
      'unknown archive type: "a.img"',
    )
  })

  test('serverArchiveName() appends what the extension asks for', () => {
    const names = [
      'root.pxar',
      'a.mpxar',
      'a.ppxar',
      'catalog.pcat1',
      'd.img',
      'q.conf',
      'a.json',
      'k.key',
      'c.log',
      'x.fidx',
    ]
    assert.deepEqual(names.map(serverArchiveName), [
      'root.pxar.didx',
      'a.mpxar.didx',
      'a.ppxar.didx',
      'catalog.pcat1.didx',
      'd.img.fidx',
      'q.conf.blob',
      'a.json.blob',
      'k.key.blob',
      'c.log.blob',
      'x.fidx',
    ])
    assert.equal(
      messageOf(() => serverArchiveName('a.txt')),
      "failed to parse archive type for 'a.txt'",
    )
  })
})

suite('auth ids', () => {
  test('parseAuthId() splits at the last @ and at the ! after it', () => {
    assert.deepEqual(parseAuthId('root@pam'), { user: 'root@pam', token: null })
    assert.deepEqual(parseAuthId('a!b@c@pbs!t.1'), { user: 'a!b@c@pbs', token: 't.1' })
    assert.deepEqual(splitUserid(parseUserid('a@b@pbs')), { name: 'a@b', realm: 'pbs' })
    for (const text of [
      'root',
      '@pam',
      'root@',
      'a b@pam',
      'a/b@pam',
      'a:b@pam',
      'root@pam!',
      'root@pam\n',
      'a\u0000@pam',
    ]) {
      assert.throws(() => parseAuthId(text), { code: 'AUTH_ID_INVALID' }, text)
    }
    assert.throws(() => parseUserid('root@pam!tok'), { code: 'USERID_INVALID' })
  })

  test('formatAuthId() is the inverse of parseAuthId()', () => {
    for (const text of ['root@pam', 'ü@pbs!x', 'a!b@pbs']) {
      assert.equal(formatAuthId(parseAuthId(text)), text)
      assert.equal(authIdText(text), text)
    }
  })
})

test('hostile texts give typed errors only', () => {
  const parsers = [
    parseGroup,
    parseSnapshot,
    parseNamespace,
    parseAuthId,
    parseBackupTime,
    parseStoreName,
  ]
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.constantFrom(...parsers), (text, parse) => {
      try {
        parse(text)
      } catch (error) {
        assert.ok(error instanceof CairnError && !hasCode(error, 'BUG'))
      }
    }),
  )
})
