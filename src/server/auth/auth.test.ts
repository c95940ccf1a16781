/** Tickets, CSRF tokens, logins and requests by the rules of rest-api.md 2, against a stock configuration. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { cp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { silentLog } from '../../base/log.ts'
import { Secret } from '../../base/secret.ts'
import { ConfigFiles } from '../../config/config-files.ts'
import { ensurePlaces, resolvePaths } from '../../config/paths.ts'
import { generateToken } from '../../config/tokens.ts'
import { changeUser, createUser } from '../../config/users.ts'
import { type AuthContext, openAuth } from './auth-context.ts'
import { type AuthFailure, FileAuthLog } from './auth-log.ts'
import { type AuthRequest, authenticate, type Caller } from './authenticate.ts'
import { authCookie } from './cookies.ts'
import { csrfProblem, issueCsrfToken } from './csrf.ts'
import { login, type LoginRequest } from './login.ts'
import { checkPrivilege, confirmPassword, hasPrivilege } from './permissions.ts'
import { issueTicket, verifyTicket } from './tickets.ts'

const CONFIG = fileURLToPath(new URL('../../../test/fixtures/config', import.meta.url))
/** Time of a login in the recordings (rest/login.json), whose CSRF token is below. */
const RECORDED_TIME_MS = 0x6b01724d * 1000
const RECORDED_CSRF = '6B01724D:saH9sWOllwZj7TcbRinBYDTPrsgaIgNwkSQqSR4EGx8'

interface Opened {
  readonly auth: AuthContext
  readonly clock: FakeClock
  readonly failures: AuthFailure[]
  readonly successes: string[]
}

async function open(options: { readonly isEmpty?: boolean } = {}): Promise<Opened> {
  const paths = resolvePaths({ data: await makeTemporaryFolder() })
  await ensurePlaces(nodeFileSystem, paths)
  if (options.isEmpty !== true) await cp(CONFIG, paths.config, { recursive: true })
  const clock = new FakeClock(RECORDED_TIME_MS)
  const files = new ConfigFiles({ fs: nodeFileSystem, clock, paths })
  const failures: AuthFailure[] = []
  const successes: string[] = []
  const log = {
    success: (userid: string) => void successes.push(userid),
    failure: (failure: AuthFailure) => void failures.push(failure),
  }
  return { auth: await openAuth({ files, clock, log }), clock, failures, successes }
}

function loginRequest(username: string, password: string | null): LoginRequest {
  return {
    username,
    password: password === null ? null : new Secret(password),
    httpOnly: false,
    cookie: null,
    peer: '[::1]:1',
  }
}

function request(values: Partial<AuthRequest>): AuthRequest {
  return {
    method: 'GET',
    cookies: [],
    authorization: null,
    csrfToken: null,
    peer: '[::1]:1',
    ...values,
  }
}

/** The error of `attempt`, which must come after 3 s of the clock and not before. */
async function refusedLate(clock: FakeClock, attempt: Promise<unknown>): Promise<Error> {
  let outcome: Error | null = null
  const settled = attempt.then(
    () => assert.fail('was not refused'),
    (error: unknown) => {
      outcome = error as Error
    },
  )
  await clock.untilSleeping()
  await clock.advance(2999)
  assert.equal(outcome, null, 'refused too early')
  await clock.advance(1)
  await settled
  return outcome ?? assert.fail('no outcome')
}

suite('tickets', () => {
  test('issueTicket() has the form that clients take apart, and verifies', async () => {
    const { auth } = await open()
    const ticket = await issueTicket(auth, 'fxadmin@pbs')
    assert.match(ticket, /^PBS:fxadmin@pbs:6B01724D::[A-Za-z0-9+/]{86}$/)
    assert.deepEqual(await verifyTicket(auth, ticket), { userid: 'fxadmin@pbs' })
  })

  test('verifyTicket() refuses other times, users, signatures and shapes', async () => {
    const { auth, clock } = await open()
    const ticket = await issueTicket(auth, 'fxadmin@pbs')
    const wrong = [
      ticket.replace('fxadmin', 'fxaudit'),
      ticket.replace('6B01724D', '6B01724E'),
      ticket.replace('PBS:', 'PBSTERM:'),
      `${ticket}=`,
      `${ticket.slice(0, -1)}${ticket.endsWith('A') ? 'B' : 'A'}`,
      `${ticket}:x`,
      ticket.replace('::', ':x:'),
      ticket.replace('fxadmin', 'fx%61dmin'),
      'PBS::6B01724D::',
      'x'.repeat(100_000),
      '',
    ]
    for (const text of wrong) {
      assert.ok('reason' in (await verifyTicket(auth, text)), text.slice(0, 80))
    }
    clock.setNow(RECORDED_TIME_MS + 7_200_000)
    assert.ok('userid' in (await verifyTicket(auth, ticket)))
    clock.setNow(RECORDED_TIME_MS + 7_201_000)
    assert.ok('reason' in (await verifyTicket(auth, ticket)))
    clock.setNow(RECORDED_TIME_MS - 301_000)
    assert.ok('reason' in (await verifyTicket(auth, ticket)))
  })

  test('a name with a percent sign reads as itself, not as another user', async () => {
    const { auth } = await open()
    const ticket = await issueTicket(auth, 'fx%61dmin@pbs')
    assert.deepEqual(await verifyTicket(auth, ticket), { userid: 'fx%61dmin@pbs' })
    const umlaut = await issueTicket(auth, 'jürgen@pbs')
    assert.match(umlaut, /^PBS:j%C3%BCrgen@pbs:/)
    assert.deepEqual(await verifyTicket(auth, umlaut), { userid: 'jürgen@pbs' })
  })

  test('an RSA key of an older installation signs and verifies', async () => {
    const { auth } = await open()
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const { files } = auth
    const privatePem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' })
    const publicPem = pair.publicKey.export({ type: 'spki', format: 'pem' })
    const before = await issueTicket(auth, 'fxadmin@pbs')
    await writeFile(files.pathOf({ name: 'authkey.key' }), privatePem)
    await writeFile(files.pathOf({ name: 'authkey.pub' }), publicPem)
    const ticket = await issueTicket(auth, 'fxadmin@pbs')
    assert.deepEqual(await verifyTicket(auth, ticket), { userid: 'fxadmin@pbs' })
    assert.ok('reason' in (await verifyTicket(auth, before)))
  })

  test('openAuth() makes missing keys once, with the modes of stock', async () => {
    const { auth } = await open({ isEmpty: true })
    const { files } = auth
    const modes: Record<string, number> = {}
    for (const name of ['authkey.key', 'authkey.pub', 'csrf.key']) {
      modes[name] = (await stat(files.pathOf({ name }))).mode & 0o777
    }
    assert.deepEqual(modes, { 'authkey.key': 0o600, 'authkey.pub': 0o640, 'csrf.key': 0o640 })
    assert.match(await readFile(files.pathOf({ name: 'csrf.key' }), 'utf8'), /^[\w+/]{86}$/)
    const ticket = await issueTicket(auth, 'a@pbs')
    await rm(files.pathOf({ name: 'authkey.pub' }))
    const again = await openAuth({ files, clock: auth.clock })
    assert.deepEqual(await verifyTicket(again, ticket), { userid: 'a@pbs' })
  })
})

suite('CSRF tokens', () => {
  test('issueCsrfToken() gives the token of a recorded login', async () => {
    const { auth } = await open()
    assert.equal(await issueCsrfToken(auth, 'fxadmin@pbs'), RECORDED_CSRF)
  })

  test('csrfProblem() knows user, time and form', async () => {
    const { auth, clock } = await open()
    assert.equal(await csrfProblem(auth, 'fxadmin@pbs', RECORDED_CSRF), null)
    const signature = 'invalid csrf token - invalid signature.'
    assert.equal(await csrfProblem(auth, 'fxaudit@pbs', RECORDED_CSRF), signature)
    assert.equal(await csrfProblem(auth, 'fxadmin@pbs', `${RECORDED_CSRF}=`), signature)
    assert.equal(
      await csrfProblem(auth, 'fxadmin@pbs', 'x'),
      'invalid csrf token - format error - wrong number of parts.',
    )
    clock.setNow(RECORDED_TIME_MS + 7_201_000)
    assert.equal(await csrfProblem(auth, 'fxadmin@pbs', RECORDED_CSRF), signature)
  })
})

suite('authCookie()', () => {
  const rows: [string, string[], string | null][] = [
    ['raw', ['PBSAuthCookie=PBS:a'], 'PBS:a'],
    ['encoded, with what PVE sends besides', ['PBSAuthCookie=PBS%3Aa; path=/; secure'], 'PBS:a'],
    ['behind something that is no pair', ['secure; PBSAuthCookie=x'], null],
    ['in the second header', ['a=b; secure', 'PBSAuthCookie=x'], 'x'],
    ['the prefixed one wins', ['PBSAuthCookie=x', '__Host-PBSAuthCookie=y'], 'y'],
    ['the first of a name counts', ['PBSAuthCookie=x; PBSAuthCookie=y'], 'x'],
    ['names have case', ['pbsauthcookie=x'], null],
    ['a bad escape is taken as it is', ['PBSAuthCookie=%zz'], '%zz'],
  ]
  for (const [name, headers, wanted] of rows) {
    test(name, () => assert.equal(authCookie(headers), wanted))
  }
})

suite('login()', () => {
  test('gives ticket and CSRF token for a password, and again for the ticket', async () => {
    const { auth, successes } = await open()
    const first = await login(auth, loginRequest('fxadmin@pbs', 'fxpassword'))
    assert.equal(first.csrfToken, RECORDED_CSRF)
    assert.equal(first.ticketInfo, 'PBS:fxadmin@pbs:6B01724D::ticketinfo')
    const second = await login(auth, loginRequest('fxadmin@pbs', first.ticket))
    assert.deepEqual(await verifyTicket(auth, second.ticket), { userid: 'fxadmin@pbs' })
    assert.deepEqual(successes, ['fxadmin@pbs', 'fxadmin@pbs'])
  })

  const refused: [string, string, string, string][] = [
    ['a wrong password', 'fxadmin@pbs', 'wrong', 'invalid credentials'],
    ['an unknown user', 'nobody@pbs', 'x', 'user account disabled or expired.'],
    ['a disabled user', 'fxoff@pbs', 'fxpassword', 'user account disabled or expired.'],
    ['an expired user', 'fxold@pbs', 'fxpassword', 'user account disabled or expired.'],
    ['a second factor with a wrong password', 'fxlow@pbs', 'wrong', 'invalid credentials'],
  ]
  for (const [name, username, password, reason] of refused) {
    test(`refuses ${name} after 3 s and tells only the log why`, async () => {
      const { auth, clock, failures } = await open()
      const error = await refusedLate(clock, login(auth, loginRequest(username, password)))
      assert.equal(error.message, 'permission check failed.')
      assert.equal((error as Error & { data: { status: number } }).data.status, 401)
      assert.deepEqual(failures, [{ peer: '[::1]:1', user: username, reason }])
    })
  }

  test('refuses a user with a second factor, and says so to who knows the password', async () => {
    const { auth, clock } = await open()
    const error = await refusedLate(clock, login(auth, loginRequest('fxlow@pbs', 'fxpassword')))
    assert.equal(
      error.message,
      "user 'fxlow@pbs' has a second factor, and second factors are not supported yet",
    )
  })

  for (const [username, realm] of [
    ['root@pam', "realm 'pam' of type 'pam'"],
    ['x@fxldap', "realm 'fxldap' of type 'ldap'"],
    ['x@fxopenid', "realm 'fxopenid' of type 'openid'"],
  ] as const) {
    test(`refuses ${username} because of its realm`, async () => {
      const { auth, clock } = await open()
      if (username !== 'root@pam') await createUser(auth.files, { userid: username })
      const error = await refusedLate(clock, login(auth, loginRequest(username, 'secret')))
      assert.equal(error.message, `login to ${realm} is not supported yet`)
    })
  }

  test("refuses another user's ticket, and a ticket of a user who was disabled", async () => {
    const { auth, clock, failures } = await open()
    const { ticket } = await login(auth, loginRequest('fxaudit@pbs', 'fxpassword'))
    await refusedLate(clock, login(auth, loginRequest('fxadmin@pbs', ticket)))
    await changeUser(auth.files, 'fxaudit@pbs', { set: { enable: false } })
    await refusedLate(clock, login(auth, loginRequest('fxaudit@pbs', ticket)))
    assert.deepEqual(
      failures.map(({ reason }) => reason),
      ['ticket login failed - wrong userid', 'user account disabled or expired.'],
    )
  })

  test('asks for a password at once if there is none', async () => {
    const { auth } = await open()
    await assert.rejects(login(auth, loginRequest('fxadmin@pbs', null)), {
      message: 'no password provided',
    })
  })

  test('takes the cookie for the password with http-only, then the password', async () => {
    const { auth, clock, failures } = await open()
    const cookie = await issueTicket(auth, 'fxadmin@pbs')
    const base = { ...loginRequest('fxadmin@pbs', null), httpOnly: true }
    await login(auth, { ...base, cookie })
    const password = new Secret('fxpassword')
    await login(auth, { ...base, cookie: 'PBS:nonsense', password })
    assert.equal(failures[0]?.reason, 'ticket with invalid signature')
    // Beside a bad cookie a ticket is no password.
    const asTicket = { ...base, cookie: 'PBS:nonsense', password: new Secret(cookie) }
    await refusedLate(clock, login(auth, asTicket))
    await refusedLate(clock, login(auth, { ...base, cookie: 'PBS:nonsense' }))
  })
})

suite('authenticate()', () => {
  test('knows the user of a cookie; changes need the CSRF token', async () => {
    const { auth, clock, failures } = await open()
    const ticket = await issueTicket(auth, 'fxadmin@pbs')
    const cookies = [`PBSAuthCookie=${encodeURIComponent(ticket)}`]
    const caller = {
      authId: 'fxadmin@pbs',
      user: 'fxadmin@pbs',
      token: null,
      superuser: false,
    }
    assert.deepEqual(await authenticate(auth, request({ cookies })), caller)
    const csrfToken = RECORDED_CSRF
    assert.deepEqual(
      await authenticate(auth, request({ cookies, method: 'POST', csrfToken })),
      caller,
    )
    const error = await refusedLate(clock, authenticate(auth, request({ cookies, method: 'PUT' })))
    assert.equal(error.message, 'authentication failed')
    const other = RECORDED_CSRF.replace('saH9', 'saH8')
    await refusedLate(
      clock,
      authenticate(auth, request({ cookies, method: 'POST', csrfToken: other })),
    )
    assert.deepEqual(
      failures.map(({ reason }) => reason),
      ['missing CSRF prevention token', 'invalid csrf token - invalid signature.'],
    )
  })

  test('knows a token in both forms of the header, its secret percent-encoded or not', async () => {
    const { auth } = await open()
    const { tokenid, secret } = await generateToken(auth.files, { userid: 'root@pam', name: 'x' })
    const text = secret.reveal()
    const encoded = text.replaceAll('-', '%2D')
    for (const authorization of [
      `PBSAPIToken=${tokenid}:${text}`,
      `PBSAPIToken ${tokenid}:${text}`,
      `PBSAPIToken ${tokenid}:${encoded}`,
    ]) {
      assert.deepEqual(await authenticate(auth, request({ method: 'POST', authorization })), {
        authId: 'root@pam!x',
        user: 'root@pam',
        token: 'x',
        superuser: false,
      })
    }
  })

  test('refuses all else after 3 s, with reasons for the log', async () => {
    const { auth, clock, failures } = await open()
    const { tokenid, secret } = await generateToken(auth.files, { userid: 'fxuser@pbs', name: 'x' })
    const token = `${tokenid}:${secret.reveal()}`
    const rows: [Partial<AuthRequest>, string][] = [
      [{}, 'no authentication credentials provided.'],
      [{ authorization: `Bearer ${token}` }, 'no authentication credentials provided.'],
      [{ authorization: `PBSAPIToken  ${token}` }, 'not a valid user id'],
      [{ authorization: `pbsapitoken ${token}` }, 'no authentication credentials provided.'],
      [{ authorization: 'PBSAPIToken fxuser@pbs:x' }, 'not an API token ID'],
      [{ authorization: `PBSAPIToken ${tokenid}:wrong` }, 'invalid credentials'],
      [
        { authorization: 'PBSAPIToken fxaudit@pbs!t2:x' },
        'user account or token disabled or expired.',
      ],
      [
        { authorization: `PBSAPIToken ${token}`, cookies: ['PBSAuthCookie=bad'] },
        'ticket with invalid signature',
      ],
    ]
    for (const [values] of rows) {
      const error = await refusedLate(clock, authenticate(auth, request(values)))
      assert.equal(error.message, 'authentication failed')
    }
    assert.deepEqual(
      failures.map(({ reason }) => reason),
      rows.map(([, reason]) => reason),
    )
  })
})

suite('permissions', () => {
  const audit: Caller = {
    authId: 'fxaudit@pbs',
    user: 'fxaudit@pbs',
    token: null,
    superuser: false,
  }

  test('checkPrivilege() names what is missing as stock does', async () => {
    const { auth } = await open()
    await checkPrivilege(auth, audit, '/datastore/x', ['Datastore.Audit'])
    await assert.rejects(
      checkPrivilege(auth, audit, '/datastore/x', ['Datastore.Audit', 'Datastore.Read']),
      { message: "missing permissions 'Datastore.Audit&Datastore.Read' on '/datastore/x'" },
    )
    const any = { any: true }
    await checkPrivilege(auth, audit, '/x', ['Datastore.Audit', 'Datastore.Read'], any)
    await assert.rejects(checkPrivilege(auth, audit, '/x', ['Sys.Modify', 'Sys.Console'], any), {
      message: "missing permissions 'Sys.Modify|Sys.Console' on '/x'",
    })
    const root = { ...audit, authId: 'root@pam', user: 'root@pam', superuser: true }
    assert.equal(await hasPrivilege(auth, root, '/x', ['Realm.Allocate']), true)
  })

  test('confirmPassword() refuses a missing and a wrong one after 3 s', async () => {
    const { auth, clock } = await open()
    await confirmPassword(auth, audit, new Secret('fxpassword'))
    const missing = await refusedLate(clock, confirmPassword(auth, audit, null))
    assert.equal(missing.message, 'missing password')
    const wrong = await refusedLate(clock, confirmPassword(auth, audit, new Secret('no')))
    assert.equal(wrong.message, 'invalid credentials')
  })
})

suite('FileAuthLog', () => {
  test('writes the lines of stock, and no forged ones', async () => {
    const { auth } = await open()
    const log = new FileAuthLog(auth.files, silentLog)
    log.success('fxadmin@pbs')
    log.failure({ peer: '[::1]:9', user: 'x\nsuccessful auth', reason: 'invalid credentials' })
    await log.flush()
    const text = await readFile(`${auth.files.paths.log}/api/auth.log`, 'utf8')
    const stamp = String.raw`2026-11-21T\d\d:\d\d:\d\d[+-]\d\d:\d\d: `
    const wanted = [
      `${stamp}successful auth for user 'fxadmin@pbs'`,
      `${stamp}authentication failure; rhost=\\[::1\\]:9 user=x\\?successful auth msg=invalid credentials`,
      '',
    ]
    assert.match(text, new RegExp(`^${wanted.join('\n')}$`))
  })
})
