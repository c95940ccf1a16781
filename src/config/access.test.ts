/** Users, tokens, passwords and rights against the configuration and the answers of a stock server. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { Secret } from '../base/secret.ts'
import { systemClock } from '../base/time/clock.ts'
import { listAclEntries, permissionsOf, privilegesOf, updateAcl } from './acl.ts'
import { removeToken, removeUser } from './access-removal.ts'
import { ConfigFiles } from './config-files.ts'
import { checkPassword, setPassword } from './passwords.ts'
import { resolvePaths } from './paths.ts'
import { PRIVILEGES, privilegeNames, ROLE_NAMES, ROLES } from './privileges.ts'
import { findRealm, listRealms } from './realms.ts'
import { hasSecondFactor, listFactors } from './second-factors.ts'
import { generateToken, listTokens, regenerateSecret, verifyTokenSecret } from './tokens.ts'
import { changeUser, createUser, findUser, isActive, listUsers } from './users.ts'

const CONFIG = fileURLToPath(new URL('../../test/fixtures/config', import.meta.url))
const REST = new URL('../../test/fixtures/rest/access.json', import.meta.url)

interface Recorded {
  readonly as: string | null
  readonly request: { method: string; path: string; params: Record<string, unknown> }
  readonly response: { status: number; body: { json?: { data: unknown } } }
}

const records = JSON.parse(readFileSync(REST, 'utf8')) as Recorded[]

async function open(): Promise<ConfigFiles> {
  const configDir = await makeTemporaryFolder()
  await cp(CONFIG, configDir, { recursive: true })
  const paths = resolvePaths({ configDir })
  return new ConfigFiles({ fs: nodeFileSystem, clock: systemClock, paths })
}

async function textOf(files: ConfigFiles, name: string): Promise<string> {
  return await readFile(files.pathOf({ name }), 'utf8')
}

suite('passwords', () => {
  test('checkPassword() knows the yescrypt hashes of a stock server', async () => {
    const files = await open()
    assert.equal(await checkPassword(files, 'fxuser@pbs', new Secret('fxpassword')), true)
    assert.equal(await checkPassword(files, 'fxuser@pbs', new Secret('fxpasswore')), false)
    assert.equal(await checkPassword(files, 'nobody@pbs', new Secret('fxpassword')), false)
    assert.equal(await checkPassword(files, 'fxuser@pbs', new Secret('fxpassword\0x')), false)
    assert.equal(await checkPassword(files, '__proto__@pbs', new Secret('')), false)
  })

  test('checkPassword() replaces an older hash after success only', async () => {
    const files = await open()
    // openssl passwd -5 -salt saltsalt secret12
    const older = '$5$saltsalt$x6O4JEXuq1N.gt6ToK6ehZwmohT0desY8YDkK3DpK21'
    await writeFile(files.pathOf({ name: 'shadow.json' }), JSON.stringify({ old: older }))
    assert.equal(await checkPassword(files, 'old@pbs', new Secret('wrong')), false)
    assert.ok((await textOf(files, 'shadow.json')).includes(older))
    assert.equal(await checkPassword(files, 'old@pbs', new Secret('secret12')), true)
    assert.match(await textOf(files, 'shadow.json'), /"old": "\$y\$j9T\$[./0-9A-Za-z]{43}\$/)
    assert.equal(await checkPassword(files, 'old@pbs', new Secret('secret12')), true)
  })

  test('setPassword() changes one line of shadow.json', async () => {
    const files = await open()
    const before = (await textOf(files, 'shadow.json')).split('\n')
    await setPassword(files, 'fxlow@pbs', new Secret('another one'))
    const after = (await textOf(files, 'shadow.json')).split('\n')
    const changed = after.filter((line, index) => line !== before[index])
    assert.equal(after.length, before.length)
    assert.equal(changed.length, 1)
    assert.match(changed[0] ?? '', /^ {2}"fxlow": "\$y\$j9T\$/)
  })
})

suite('users', () => {
  test('listUsers() gives what a stock server lists', async () => {
    const files = await open()
    const { users } = await listUsers(files)
    const recorded = records.find(
      ({ as, request, response }) =>
        as === 'root@pam' &&
        request.path.endsWith('/access/users') &&
        request.method === 'GET' &&
        Object.keys(request.params).length === 0 &&
        response.status === 200,
    )
    const wanted = recorded?.response.body.json?.data as { userid: string }[]
    const sorted = (list: readonly { userid: string }[]): unknown[] =>
      list.toSorted((a, b) => (a.userid < b.userid ? -1 : 1))
    const known = new Set(users.map(({ userid }) => userid))
    assert.deepEqual(
      sorted(users),
      sorted(wanted.filter(({ userid }) => known.has(userid)).map(withoutFactors)),
    )
  })

  test('isActive() wants user and token enabled and not expired', async () => {
    const files = await open()
    assert.equal(await isActive(files, 'fxuser@pbs'), true)
    assert.equal(await isActive(files, 'fxuser@pbs!tok'), true)
    assert.equal(await isActive(files, 'root@pam'), true)
    for (const id of ['fxoff@pbs', 'fxold@pbs', 'fxaudit@pbs!t2', 'fxuser@pbs!no', 'x@pbs']) {
      assert.equal(await isActive(files, id), false, id)
    }
  })

  test('changeUser() sets, removes, and drops what is the default', async () => {
    const files = await open()
    const before = await textOf(files, 'user.cfg')
    await changeUser(files, 'fxoff@pbs', { set: { enable: true, expire: 0, comment: ' x ' } })
    await changeUser(files, 'fxlow@pbs', { set: {}, delete: ['email'] })
    assert.equal(
      await textOf(files, 'user.cfg'),
      before
        .replace('\tenable false\n\nuser: fxold', '\tcomment x\n\nuser: fxold')
        .replace('\temail low@example.com\n', ''),
    )
    await assert.rejects(changeUser(files, 'no@pbs', { set: {} }), {
      message: "no such user 'no@pbs'",
    })
    await assert.rejects(createUser(files, { userid: 'fxlow@pbs' }), {
      message: "user 'fxlow@pbs' already exists.",
    })
  })

  test('root@pam exists without section, and can be disabled by one', async () => {
    const files = await open()
    await rm(files.pathOf({ name: 'user.cfg' }))
    assert.deepEqual(await findUser(files, 'root@pam'), {
      userid: 'root@pam',
      comment: 'Superuser',
    })
    await changeUser(files, 'root@pam', { set: { enable: false } })
    assert.equal(await isActive(files, 'root@pam'), false)
    await removeUser(files, 'root@pam')
    assert.equal(await isActive(files, 'root@pam'), true)
  })

  test('removeUser() takes password, factors, tokens and their rights along', async () => {
    const files = await open()
    await removeUser(files, 'fxuser@pbs')
    await removeUser(files, 'fxlow@pbs')
    assert.equal((await textOf(files, 'user.cfg')).includes('fxuser'), false)
    assert.equal((await textOf(files, 'shadow.json')).includes('fxuser'), false)
    assert.equal((await textOf(files, 'token.shadow')).includes('fxuser'), false)
    assert.equal((await textOf(files, 'tfa.json')).includes('fxlow'), false)
    // The user's own entries stay, as on stock.
    assert.ok(
      (await textOf(files, 'acl.cfg')).includes(
        'acl:1:/datastore/fxgold:fxuser@pbs:DatastoreBackup\n',
      ),
    )
    await assert.rejects(removeUser(files, 'fxuser@pbs'), {
      message: "user 'fxuser@pbs' does not exist.",
    })
  })
})

suite('tokens', () => {
  test('generateToken() stores a hash, never the secret; the secret then verifies', async () => {
    const files = await open()
    const token = { userid: 'fxuser@pbs', name: 'ci', comment: 'x' }
    const { tokenid, secret } = await generateToken(files, token)
    assert.match(secret.reveal(), /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    const stored = (await textOf(files, 'token.shadow')) + (await textOf(files, 'user.cfg'))
    assert.equal(stored.includes(secret.reveal()), false)
    assert.equal(await verifyTokenSecret(files, tokenid, secret), true)
    assert.equal(await verifyTokenSecret(files, tokenid, new Secret('wrong')), false)
    assert.deepEqual((await listTokens(files, 'fxuser@pbs')).tokens.at(-1), {
      tokenid,
      comment: 'x',
    })
    await assert.rejects(generateToken(files, token), {
      message: "token 'ci' for user 'fxuser@pbs' already exists.",
    })
    assert.equal(await verifyTokenSecret(files, tokenid, secret), true)
  })

  test('a secret that verified before no longer does after it was replaced or removed', async () => {
    const files = await open()
    const { tokenid, secret } = await generateToken(files, { userid: 'fxuser@pbs', name: 'ci' })
    assert.equal(await verifyTokenSecret(files, tokenid, secret), true)
    const next = await regenerateSecret(files, tokenid)
    assert.equal(await verifyTokenSecret(files, tokenid, secret), false)
    assert.equal(await verifyTokenSecret(files, tokenid, next), true)
    await updateAcl(files, { path: '/', role: 'Audit', authId: tokenid })
    await removeToken(files, tokenid)
    assert.equal(await verifyTokenSecret(files, tokenid, next), false)
    assert.equal((await textOf(files, 'acl.cfg')).includes('!ci'), false)
  })
})

suite('rights', () => {
  const asked = records.filter(
    ({ as, request, response }) =>
      as !== null && request.path.endsWith('/access/permissions') && response.status === 200,
  )

  test('permissionsOf() gives what a stock server answers', async () => {
    const files = await open()
    let count = 0
    for (const { as, request, response } of asked) {
      const { 'auth-id': authId = as, path } = request.params as Record<string, string>
      const got = await permissionsOf(files, authId ?? '', path)
      assert.deepEqual(got, response.body.json?.data, JSON.stringify({ authId, path }))
      count += 1
    }
    assert.ok(count >= 6, `${count} answers compared`)
  })

  test('roles have the privileges and comments of stock', () => {
    const recorded = records.find(
      ({ request, response }) => request.path.endsWith('/access/roles') && response.status === 200,
    )
    const roles = recorded?.response.body.json?.data as {
      roleid: keyof typeof ROLES
      privs: string[]
      comment: string
    }[]
    assert.equal(roles.length, ROLE_NAMES.length)
    for (const { roleid, privs, comment } of roles) {
      assert.deepEqual(privilegeNames(ROLES[roleid].privileges), privs, roleid)
      assert.equal(ROLES[roleid].comment, comment)
    }
  })

  test('privilegesOf() of a token is what both it and its user have; NoAccess ends all', async () => {
    const files = await open()
    await writeFile(
      files.pathOf({ name: 'acl.cfg' }),
      [
        'acl:1:/datastore:fxuser@pbs:DatastoreAdmin',
        'acl:0:/datastore:fxuser@pbs!tok:DatastoreReader',
        'acl:1:/datastore/a:fxuser@pbs!tok:DatastoreBackup,DatastoreAudit',
        'acl:1:/datastore/a/b:fxuser@pbs:NoAccess,DatastoreAdmin',
        'acl:1:/datastore/c:root@pam!t,fxold@pbs:Admin',
        'this line is of the future',
        '',
      ].join('\n'),
    )
    const names = async (authId: string, path: string): Promise<string[]> =>
      privilegeNames((await privilegesOf(files, authId, path)).privileges)
    const token = 'fxuser@pbs!tok'
    assert.deepEqual(await names(token, '/datastore'), [
      'Datastore.Audit',
      'Datastore.Read',
      'Datastore.Verify',
    ])
    assert.deepEqual(await names(token, '/datastore/x'), [])
    assert.deepEqual(await names(token, '/datastore/a'), ['Datastore.Audit', 'Datastore.Backup'])
    assert.deepEqual(await names(token, '/datastore/a/x/y'), [
      'Datastore.Audit',
      'Datastore.Backup',
    ])
    assert.deepEqual(await names('fxuser@pbs', '/datastore/a/b/c'), [])
    assert.deepEqual(await names(token, '/datastore/a/b'), [])
    assert.deepEqual(await names('fxold@pbs', '/datastore/c'), [])
    const { privileges } = await privilegesOf(files, 'root@pam', '/x')
    assert.equal(privileges & PRIVILEGES['Realm.Allocate'], PRIVILEGES['Realm.Allocate'])
    assert.equal((await privilegesOf(files, token, '/datastore')).propagated, 0n)
  })

  test('updateAcl() rewrites only the lines of its path, and repeats change nothing', async () => {
    const files = await open()
    await writeFile(
      files.pathOf({ name: 'acl.cfg' }),
      `${await textOf(files, 'acl.cfg')}acl:9:strange line\n`,
    )
    const before = await textOf(files, 'acl.cfg')
    const entry = { path: '/datastore/fxrest', role: 'Audit', authId: 'fxaudit@pbs' }
    await updateAcl(files, entry)
    const added = 'acl:1:/datastore/fxrest:fxaudit@pbs:Audit\n'
    const after = await textOf(files, 'acl.cfg')
    assert.equal(after.replace(added, ''), before)
    await updateAcl(files, entry)
    assert.equal(await textOf(files, 'acl.cfg'), after)
    await updateAcl(files, { ...entry, delete: true })
    await updateAcl(files, { ...entry, delete: true })
    assert.equal(await textOf(files, 'acl.cfg'), before)
    const { entries } = await listAclEntries(files)
    assert.equal(entries.length, 9)
  })

  for (const [path, message] of [
    ['/nothere', "invalid acl path '/nothere'."],
    ['/system/log/x', "invalid acl path '/system/log/x'."],
    ['/datastore/s/1/2/3/4/5/6/7/8', "invalid acl path '/datastore/s/1/2/3/4/5/6/7/8'."],
  ] as const) {
    test(`updateAcl() refuses ${path}, but removes it`, async () => {
      const files = await open()
      const entry = { path, role: 'Audit', authId: 'fxaudit@pbs' }
      await assert.rejects(updateAcl(files, entry), { message })
      await updateAcl(files, { ...entry, delete: true })
    })
  }

  test('updateAcl() refuses users and tokens that do not exist', async () => {
    const files = await open()
    const entry = { path: '/', role: 'Audit' }
    await assert.rejects(updateAcl(files, { ...entry, authId: 'no@pbs' }), {
      message: 'no such user.',
    })
    await assert.rejects(updateAcl(files, { ...entry, authId: 'fxaudit@pbs!no' }), {
      message: 'no such API token.',
    })
  })
})

suite('realms and second factors', () => {
  test('listRealms() gives stored realms and the built-in ones without section', async () => {
    const files = await open()
    const { realms } = await listRealms(files)
    assert.deepEqual(
      realms.map(({ realm, type }) => `${realm} ${type}`),
      ['pam pam', 'pbs pbs', 'fxldap ldap', 'fxad ad', 'fxopenid openid'],
    )
    await rm(files.pathOf({ name: 'domains.cfg' }))
    assert.equal((await findRealm(files, 'pam'))?.default, true)
    assert.equal(await findRealm(files, 'fxad'), null)
  })

  test('hasSecondFactor() counts what a login would be asked for, and anything unclear', async () => {
    const files = await open()
    assert.equal(await hasSecondFactor(files, 'fxlow@pbs'), true)
    assert.equal(await hasSecondFactor(files, 'fxuser@pbs'), false)
    assert.equal((await listFactors(files))[0]?.userid, 'fxlow@pbs')
    const path = files.pathOf({ name: 'tfa.json' })
    const users = {
      off: { totp: [{ id: 'x', enable: false }], recovery: { entries: [null, null] } },
      recovery: { recovery: { entries: [null, 'abc'] } },
      future: { quantum: { key: 1 } },
      empty: { totp: [], webauthn: [], recovery: null, 'totp-locked': true },
    }
    await writeFile(path, JSON.stringify({ users }))
    assert.equal(await hasSecondFactor(files, 'off'), false)
    assert.equal(await hasSecondFactor(files, 'recovery'), true)
    assert.equal(await hasSecondFactor(files, 'future'), true)
    assert.equal(await hasSecondFactor(files, 'empty'), false)
    await writeFile(path, '{"users":')
    await assert.rejects(hasSecondFactor(files, 'empty'), { code: 'CONFIG_UNREADABLE' })
  })
})

function withoutFactors(user: Record<string, unknown> & { userid: string }): { userid: string } {
  const { 'totp-locked': _locked, 'tfa-locked-until': _until, tokens: _tokens, ...rest } = user
  return rest
}
