/** Tickets, fingerprints, secrets: what the client keeps on a machine and finds in the environment. */
import assert from 'node:assert/strict'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { testHost } from '../../test/support/client-host.ts'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { readFingerprint, storeFingerprint, trustOf } from './fingerprints.ts'
import { readSecret } from './secrets.ts'
import { splitWords } from './shell-words.ts'
import { readTicket, removeTicket, storeTicket } from './ticket-cache.ts'
import { findConfigFile } from './user-files.ts'

const PIN = 'aa:bb'

suite('ticket cache', () => {
  const account = { server: 'srv', user: 'joe@pbs' }

  test('keeps tickets by host and user in the form of stock', async (context) => {
    const folder = await makeTemporaryFolder(context)
    const host = testHost({ XDG_RUNTIME_DIR: folder })
    await storeTicket(host, account, { ticket: 'PBS:t', token: 'csrf' })
    assert.deepEqual(await readTicket(host, 'srv', 'joe@pbs'), { ticket: 'PBS:t', token: 'csrf' })
    assert.equal(await readTicket(host, 'srv', 'other@pbs'), null)
    const path = join(folder, 'proxmox-backup/tickets')
    const kept = JSON.parse(await readFile(path, 'utf8'))
    assert.deepEqual(Object.keys(kept.srv['joe@pbs']).toSorted(), ['ticket', 'timestamp', 'token'])
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    await removeTicket(host, 'srv', 'joe@pbs')
    assert.deepEqual(JSON.parse(await readFile(path, 'utf8')), { srv: {} })
    await removeTicket(host, 'srv', 'joe@pbs')
    await removeTicket(host, 'nowhere', 'joe@pbs')
    assert.deepEqual(host.lines, [
      'no ticket found for joe@pbs on server srv',
      'no ticket found for server nowhere',
    ])
  })

  test('does not use old tickets, and drops them when it writes', async (context) => {
    const folder = await makeTemporaryFolder(context)
    const host = testHost({ XDG_RUNTIME_DIR: folder })
    await mkdir(join(folder, 'proxmox-backup'))
    const old = { timestamp: Math.floor(Date.now() / 1000) - 7150, ticket: 't', token: 'c' }
    const path = join(folder, 'proxmox-backup/tickets')
    await writeFile(path, JSON.stringify({ srv: { 'old@pbs': old }, broken: 3 }))
    assert.equal(await readTicket(host, 'srv', 'old@pbs'), null)
    await storeTicket(host, account, { ticket: 'PBS:t', token: 'csrf' })
    assert.deepEqual(Object.keys(JSON.parse(await readFile(path, 'utf8')).srv), ['joe@pbs'])
  })
})

suite('fingerprints', () => {
  test('keeps one pair a host and the other lines', async (context) => {
    const folder = await makeTemporaryFolder(context)
    const host = testHost({ XDG_CONFIG_HOME: folder })
    await mkdir(join(folder, 'proxmox-backup'))
    const path = join(folder, 'proxmox-backup/fingerprints')
    await writeFile(path, 'other 11:22\nnot a pair at all\nsrv 00:00\n')
    assert.equal(await readFingerprint(host, 'srv'), '00:00')
    await storeFingerprint(host, 'srv', PIN)
    assert.equal(await readFile(path, 'utf8'), `other 11:22\nsrv ${PIN}\n`)
  })

  test('asks once, and remembers only what the environment did not say', async (context) => {
    const folder = await makeTemporaryFolder(context)
    let questionCount = 0
    const answering = (environment: Record<string, string>) => ({
      ...testHost({ XDG_CONFIG_HOME: folder, ...environment }),
      prompt: {
        isInteractive: true,
        askSecret: () => Promise.reject(new Error('no secret is needed')),
        askLine: () => Promise.resolve(['what?', 'y'][questionCount++] ?? null),
      },
    })
    const pinned = await trustOf(answering({ PBS_FINGERPRINT: '00' }), 'srv')
    assert.equal(pinned.fingerprint, '00')
    assert.equal(await pinned.confirm?.(PIN), true)
    assert.equal(await readFingerprint(testHost({ XDG_CONFIG_HOME: folder }), 'srv'), null)
    questionCount = 0
    const open = await trustOf(answering({}), 'srv')
    assert.deepEqual(await Promise.all([open.confirm?.(PIN), open.confirm?.(PIN)]), [true, true])
    assert.equal(questionCount, 2)
    assert.equal(await readFingerprint(testHost({ XDG_CONFIG_HOME: folder }), 'srv'), PIN)
  })

  test('refuses when nobody can be asked', async () => {
    const host = testHost({ PBS_FINGERPRINT: '00' })
    const trust = await trustOf(host, 'srv')
    assert.equal(await trust.confirm?.(PIN), false)
    assert.deepEqual(host.lines, [
      'WARNING: certificate fingerprint does not match expected fingerprint!',
      'expected:    00',
      'certificate validation failed - Certificate fingerprint was not confirmed.',
    ])
  })
})

suite('readSecret()', () => {
  test('looks at the variable, then file, command, credential', async (context) => {
    const folder = await makeTemporaryFolder(context)
    const file = join(folder, 'secret')
    await writeFile(file, 'from file\r\nsecond line\n')
    await writeFile(join(folder, 'proxmox-backup-client.password'), 'credential\n')
    const all = {
      CREDENTIALS_DIRECTORY: folder,
      PBS_PASSWORD_CMD: `sh -c 'echo "from command"; echo more'`,
      PBS_PASSWORD_FILE: file,
      PBS_PASSWORD: 'plain',
    }
    const order = ['plain', 'from file', 'from command', 'credential\n']
    const names = ['PBS_PASSWORD', 'PBS_PASSWORD_FILE', 'PBS_PASSWORD_CMD', 'CREDENTIALS_DIRECTORY']
    let environment: Record<string, string> = all
    for (const [index, expected] of order.entries()) {
      assert.equal(await readSecret(testHost(environment), 'PBS_PASSWORD'), expected)
      const { [names[index]!]: _, ...rest } = environment
      environment = rest
    }
    assert.equal(await readSecret(testHost(environment), 'PBS_PASSWORD'), null)
  })

  test('says why a source fails', async () => {
    const read = (environment: Record<string, string>) =>
      readSecret(testHost(environment), 'PBS_PASSWORD')
    await assert.rejects(read({ PBS_PASSWORD_FD: 'x' }), {
      message:
        'unable to parse file descriptor in ENV(PBS_PASSWORD_FD): invalid digit found in string',
    })
    await assert.rejects(read({ PBS_PASSWORD_FILE: '/nothere' }), {
      message:
        'unable to open file in ENV(PBS_PASSWORD_FILE): No such file or directory (os error 2)',
    })
    await assert.rejects(read({ PBS_PASSWORD_CMD: 'false' }), {
      message: 'command "false" failed - status code: 1 - no error message',
    })
    await assert.rejects(read({ PBS_PASSWORD_CMD: '/nothere a' }), {
      message: 'failed to execute "/nothere" "a" - No such file or directory (os error 2)',
    })
  })
})

test('splitWords() knows quotes and backslashes', () => {
  assert.deepEqual(splitWords(String.raw`a 'b c' "d \"e" f\ g '' h"i"j`), [
    'a',
    'b c',
    'd "e',
    'f g',
    '',
    'hij',
  ])
})

test('findConfigFile() looks along the search path', async (context) => {
  const folder = await makeTemporaryFolder(context)
  await mkdir(join(folder, 'shared/proxmox-backup'), { recursive: true })
  const shared = join(folder, 'shared/proxmox-backup/key')
  await writeFile(shared, '')
  const environment = {
    HOME: join(folder, 'home'),
    XDG_CONFIG_DIRS: `/nothere:${join(folder, 'shared')}`,
  }
  assert.equal(await findConfigFile(testHost(environment), 'key'), shared)
  assert.equal(await findConfigFile(testHost(environment), 'other'), null)
})
