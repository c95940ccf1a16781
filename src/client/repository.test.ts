import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { addressOf, findRepository, formatRepository, parseRepository } from './repository.ts'
import { testHost } from '../../test/support/client-host.ts'

suite('parseRepository() and formatRepository()', () => {
  const rows: readonly (readonly [text: string, formatted: string, address: string])[] = [
    ['store1', 'store1', 'root@pam localhost 8007'],
    ['backup.example:store1', 'backup.example:store1', 'root@pam backup.example 8007'],
    ['10.0.0.5:8008:store1', '10.0.0.5:8008:store1', 'root@pam 10.0.0.5 8008'],
    ['[fe80::1]:8007:store1', '[fe80::1]:8007:store1', 'root@pam fe80::1 8007'],
    [
      'joe@pbs@backup.example:store1',
      'joe@pbs@backup.example:8007:store1',
      'joe@pbs backup.example 8007',
    ],
    [
      'joe@pbs!ci@backup.example:8007:store1',
      'joe@pbs!ci@backup.example:8007:store1',
      'joe@pbs!ci backup.example 8007',
    ],
    ['1234:store', '1234:store', 'root@pam 1234 8007'],
  ]
  for (const [text, formatted, address] of rows) {
    test(text, () => {
      const repository = parseRepository(text)
      assert.equal(formatRepository(repository), formatted)
      const { authId, host, port } = addressOf(repository)
      const who = authId.token === null ? authId.user : `${authId.user}!${authId.token}`
      assert.equal(`${who} ${host} ${port}`, address)
    })
  }

  for (const text of ['a@b:c', '', 'x:', ':x', 'joe@pbs@:x', 'a'.repeat(300), '[zz]:x']) {
    test(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
      const message = `unable to parse repository url '${text}'`
      assert.throws(() => parseRepository(text), { code: 'REPOSITORY_INVALID', message })
    })
  }
})

suite('findRepository()', () => {
  const none = {
    repository: undefined,
    server: undefined,
    port: undefined,
    datastore: undefined,
    'auth-id': undefined,
  }

  test('takes the option and leaves the environment', async () => {
    const host = testHost({ PBS_REPOSITORY: 'other' })
    const found = await findRepository(host, { ...none, repository: 'store1' })
    assert.equal(found?.datastore, 'store1')
  })

  test('fills components from the environment, options first', async () => {
    const host = testHost({
      PBS_SERVER: 'h1',
      PBS_PORT: '99',
      PBS_REPOSITORY: 'other',
      PBS_AUTH_ID: 'x',
    })
    const found = await findRepository(host, { ...none, datastore: 'store1', server: '[::1]' })
    assert.deepEqual(found, { authId: null, host: '::1', port: 99, datastore: 'store1' })
  })

  test('refuses both forms at once, and components without a datastore', async () => {
    const host = testHost({})
    await assert.rejects(
      findRepository(host, { ...none, repository: 'store1', datastore: 'store2' }),
      { code: 'REPOSITORY_AND_COMPONENTS' },
    )
    await assert.rejects(findRepository(host, { ...none, server: 'h1' }), {
      code: 'DATASTORE_MISSING',
    })
  })

  test('is null when nothing is given', async () => {
    assert.equal(await findRepository(testHost({}), none), null)
  })
})
