/** Who sees and changes what with Datastore.Backup only (rest-api §3.3): a user, his token, others. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { updateAcl } from '../../src/config/acl.ts'
import { regenerateSecret } from '../../src/config/tokens.ts'
import { issueCsrfToken } from '../../src/server/auth/csrf.ts'
import { issueTicket } from '../../src/server/auth/tickets.ts'
import { openRestState, type RestState } from './rest-state.ts'

const USER = 'fxuser@pbs'
const TOKEN = 'fxuser@pbs!tok'
/** Owned by the user, by his token, and by somebody else, in namespace `a/b` or the root. */
const OWN = { ns: 'a/b', 'backup-type': 'host', 'backup-id': 'by-user' }
const TOKENS = { ns: 'a/b', 'backup-type': 'ct', 'backup-id': '201' }
const OTHERS = { 'backup-type': 'vm', 'backup-id': '100' }
const DAY_1 = { 'backup-time': '1767225600' }

type Values = Readonly<Record<string, string>>

suite('ownership', () => {
  let state: RestState
  let secret: string

  before(async () => {
    state = await openRestState()
    secret = (await regenerateSecret(state.context.files, TOKEN)).reveal()
  })

  after(async () => {
    await state.close()
  })

  async function credentials(caller: string): Promise<Values> {
    if (caller === TOKEN) return { authorization: `PBSAPIToken ${TOKEN}:${secret}` }
    const { auth } = state.context
    const ticket = encodeURIComponent(await issueTicket(auth, caller))
    const csrfpreventiontoken = await issueCsrfToken(auth, caller)
    return { cookie: `PBSAuthCookie=${ticket}`, csrfpreventiontoken }
  }

  async function call(
    caller: string,
    method: string,
    name: string,
    values: Values,
  ): Promise<{ status: number; text: string; data: unknown }> {
    const url = new URL(`http://127.0.0.1:${state.port}/api2/json/admin/datastore/fxgold/${name}`)
    const isQuery = method === 'GET' || method === 'DELETE'
    if (isQuery) for (const [key, value] of Object.entries(values)) url.searchParams.set(key, value)
    const body = isQuery ? null : new URLSearchParams(values)
    const answer = await fetch(url, { method, headers: await credentials(caller), body })
    const text = await answer.text()
    const parsed: unknown = answer.status === 200 && text.startsWith('{') ? JSON.parse(text) : {}
    return { status: answer.status, text, data: (parsed as { data?: unknown }).data }
  }

  function idsOf(data: unknown): string[] {
    const entries = data as readonly { readonly 'backup-id': string }[]
    return entries.map((entry) => entry['backup-id']).sort((a, b) => (a < b ? -1 : 1))
  }

  const lists = [
    [USER, ['201', 'by-user']],
    [TOKEN, ['201']],
    ['root@pam', ['201', 'by-user']],
  ] as const
  for (const [caller, ids] of lists) {
    for (const name of ['groups', 'snapshots']) {
      test(`${name} shows ${caller} ${ids.join(' and ')}`, async () => {
        const { data } = await call(caller, 'GET', name, { ns: 'a/b' })
        assert.deepEqual(idsOf(data), ids)
      })
    }
  }

  test('a list of a namespace where nothing is his own is empty, not refused', async () => {
    assert.deepEqual((await call(USER, 'GET', 'groups', {})).data, [])
  })

  const reads = [
    [USER, OWN, 200],
    [USER, TOKENS, 200],
    [TOKEN, TOKENS, 200],
    [TOKEN, OWN, 400],
    [USER, OTHERS, 400],
  ] as const
  for (const [caller, group, status] of reads) {
    test(`${caller} reads ${group['backup-id']}: ${status}`, async () => {
      const snapshot = { ...group, ...DAY_1 }
      const file = { ...snapshot, 'file-name': 'index.json.blob' }
      for (const [name, values] of [
        ['files', snapshot],
        ['notes', snapshot],
        ['protected', snapshot],
        ['group-notes', group],
        ['download', file],
        ['download-decoded', file],
      ] as const) {
        const answer = await call(caller, 'GET', name, values)
        assert.equal(answer.status, status, `${name}: ${answer.text}`)
        if (status === 400) assert.match(answer.text, /^backup owner check failed \(fxuser@pbs/)
      }
    })
  }

  test('removal needs Datastore.Prune, whoever owns the group', async () => {
    const text =
      'permission check failed - missing Datastore.Modify|Datastore.Prune on /datastore/fxgold/a/b'
    for (const [name, values] of [
      ['snapshots', { ...OWN, ...DAY_1 }],
      ['groups', OWN],
    ] as const) {
      const answer = await call(USER, 'DELETE', name, values)
      assert.deepEqual([answer.status, answer.text], [403, text])
    }
  })

  test('a user passes his group to his token and back; the token may not, nor to others', async () => {
    const give = async (caller: string, owner: string) =>
      await call(caller, 'POST', 'change-owner', { ...OWN, 'new-owner': owner })
    assert.equal((await give(USER, TOKEN)).status, 200)
    const refused = await give(TOKEN, USER)
    const text = `${TOKEN} does not have permission to change owner of backup group 'host/by-user' to ${USER}`
    assert.deepEqual([refused.status, refused.text], [401, text])
    assert.equal((await give(USER, USER)).status, 200)
    assert.equal((await give(USER, 'fxaudit@pbs')).status, 401)
    assert.equal((await give('root@pam', USER)).status, 200)
  })

  for (const [caller, ids] of [
    [USER, ['ct/201', 'host/by-user']],
    [TOKEN, ['ct/201']],
  ] as const) {
    test(`a verification of all that ${caller} may verifies ${ids.join(' and ')}`, async () => {
      const { data } = await call(caller, 'POST', 'verify', { 'ignore-verified': '0' })
      const { tasks } = state.context
      await tasks.idle()
      const { lines } = await tasks.readLog(String(data), { start: 0, limit: 1000 })
      const groups = lines.flatMap(({ t }) => /verify group fxgold:(\S+)/.exec(t)?.[1] ?? [])
      assert.deepEqual(groups, ids)
      const other = await call(caller, 'POST', 'verify', OTHERS)
      assert.match(other.text, /^backup owner check failed/)
    })
  }

  test('notes and marks of his own snapshots are his to set', async () => {
    const snapshot = { ...OWN, ...DAY_1 }
    assert.equal((await call(USER, 'PUT', 'notes', { ...snapshot, notes: 'mine' })).status, 200)
    assert.equal((await call(USER, 'GET', 'notes', snapshot)).data, 'mine')
    assert.equal(
      (await call(USER, 'PUT', 'protected', { ...snapshot, protected: '1' })).status,
      200,
    )
    assert.equal((await call(USER, 'GET', 'protected', snapshot)).data, true)
    const other = await call(TOKEN, 'PUT', 'notes', { ...snapshot, notes: 'not mine' })
    assert.equal(other.status, 400)
  })

  test('prune and moves need Datastore.Prune, whoever owns the group', async () => {
    const text =
      'permission check failed - missing Datastore.Modify|Datastore.Prune on /datastore/fxgold/a/b'
    for (const [name, values] of [
      ['prune', { ...OWN, 'keep-last': '1' }],
      ['move-group', { ...OWN, 'target-ns': 'a' }],
    ] as const) {
      const answer = await call(USER, 'POST', name, values)
      assert.deepEqual([answer.status, answer.text], [403, text])
    }
    const all = await call(USER, 'POST', 'prune-datastore', { 'keep-last': '1' })
    const refusal = "missing permissions 'Datastore.Modify|Datastore.Prune' on '/datastore/fxgold'"
    assert.deepEqual([all.status, all.text], [400, refusal])
    const namespace = await call(USER, 'POST', 'move-namespace', { ns: 'a/b', 'target-ns': 'x' })
    assert.match(namespace.text, /^missing permissions 'Datastore\.Modify' on '\/datastore\/fxgold/)
  })

  test('with it they work for his own groups, and pass over others', async () => {
    const { files, tasks, datastores } = state.context
    await updateAcl(files, {
      path: '/datastore/fxgold',
      role: 'DatastorePowerUser',
      authId: USER,
    })
    const keep = { 'keep-last': '1' }
    const own = await call(USER, 'POST', 'prune', { ...OWN, ...keep, 'dry-run': '1' })
    assert.equal(own.status, 200, own.text)
    const other = await call(USER, 'POST', 'prune', { ...OTHERS, ...keep, 'dry-run': '1' })
    assert.deepEqual(
      [other.status, other.text],
      [400, 'backup owner check failed (fxuser@pbs != admin@pbs!ref)'],
    )
    const moved = await call(USER, 'POST', 'move-group', { ...OTHERS, 'target-ns': 'a' })
    assert.equal(moved.status, 400)
    assert.match(moved.text, /^backup owner check failed/)
    const all = await call(USER, 'POST', 'prune-datastore', { ...keep, 'dry-run': '1' })
    await tasks.idle()
    const { lines } = await tasks.readLog(String(all.data), { start: 0, limit: 100 })
    const groups = lines.map(({ t }) => t).join('\n')
    assert.match(groups, /Pruning group a\/b:"host\/by-user"/)
    assert.doesNotMatch(groups, /vm\/100/)
    const store = await datastores.lookup('fxgold', 'read')
    const away = await call(USER, 'POST', 'move-group', { ...OWN, 'target-ns': 'a' })
    assert.equal(away.status, 200, away.text)
    await tasks.idle()
    assert.ok(await store.files.exists(`${store.path}/ns/a/host/by-user/owner`))
  })
})
