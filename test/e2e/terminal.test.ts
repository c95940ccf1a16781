/** Our client on a terminal: hidden passwords, the question for the certificate, the progress bar. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { type CairnData, prepareCairnData, tokenEnvironment } from '../support/cairn-data.ts'
import { type CairnProcess, clientCommand, PASSWORD, startCairn } from '../support/cairn-process.ts'
import { PROGRAM_ENVIRONMENT } from '../support/run-client.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { openTerminal, type Terminal, terminalMissing } from '../support/terminal.ts'

const ENTER = '\r'
const ERASE = '\u007F'
const TAB = '\t'
const CTRL_C = '\u0003'
const CLEAR_LINE = '\u001B[K'
const folder = await makeTemporaryFolder()

suite('cairn-client on a terminal', { skip: terminalMissing() }, () => {
  let data: CairnData
  let server: CairnProcess

  before(async () => {
    data = await prepareCairnData(join(folder, 'data'))
    server = await startCairn(data.data)
  })
  after(async () => await server[Symbol.asyncDispose]())

  /** A home of its own for `name`, and a client in it. */
  function start(
    name: string,
    words: string,
    environment: Readonly<Record<string, string | undefined>>,
    columns?: number,
  ): Terminal {
    const home = join(folder, name)
    mkdirSync(join(home, 'run'), { recursive: true, mode: 0o700 })
    const places = { HOME: home, XDG_RUNTIME_DIR: join(home, 'run'), LANG: 'C.UTF-8' }
    return openTerminal(clientCommand(...words.split(' ')), {
      cwd: folder,
      environment: { ...PROGRAM_ENVIRONMENT, ...places, ...environment },
      ...(columns === undefined ? {} : { columns }),
    })
  }

  function withoutPassword(): Record<string, string> {
    const { PBS_PASSWORD: _, ...rest } = server.environment
    return rest
  }

  test('asks for the password with asterisks, once', async () => {
    const terminal = start('login', 'login', withoutPassword())
    await terminal.waitFor(/Password for "admin@pbs": /)
    terminal.type(`no${ERASE}${ERASE}${PASSWORD}${ENTER}`)
    const { status, shown } = await terminal.ended
    assert.equal(status, 0, shown)
    assert.ok(shown.includes(`**\b \b\b \b${'*'.repeat(PASSWORD.length)}`), JSON.stringify(shown))
    assert.ok(!shown.includes(PASSWORD))
    const list = await start('login', 'namespace list', withoutPassword()).ended
    assert.deepEqual(list, { status: 0, shown: '' })
  })

  test('shows nothing of the password after Tab', async () => {
    const terminal = start('tab', 'login', withoutPassword())
    await terminal.waitFor(/Password for "admin@pbs": /)
    terminal.type(`${TAB}wrong${ENTER}`)
    const { status, shown } = await terminal.ended
    assert.equal(status, 255)
    assert.match(shown, /admin@pbs": \r\nError: permission check failed\.\r\n$/)
  })

  test('asks on the terminal when standard error goes to a file', async () => {
    const line = `exec ${clientCommand('key', 'create', 'two.json').join(' ')} 2> errors.txt`
    const terminal = openTerminal(['sh', '-c', line], {
      cwd: folder,
      environment: { ...PROGRAM_ENVIRONMENT, HOME: folder },
    })
    await terminal.waitFor(/Encryption Key Password: /)
    terminal.type(`abc${ENTER}`)
    await terminal.waitFor(/Verify Password: /)
    terminal.type(`abc${ENTER}`)
    assert.equal((await terminal.ended).status, 255)
    const errors = readFileSync(join(folder, 'errors.txt'), 'utf8')
    assert.equal(errors, 'Error: Password too short!\n')
  })

  test('gives up at Ctrl-C', async () => {
    const terminal = start('cancel', 'login', withoutPassword())
    await terminal.waitFor(/Password for "admin@pbs": /)
    terminal.type(`some${CTRL_C}`)
    const { status, shown } = await terminal.ended
    assert.equal(status, 255)
    assert.match(shown, /: \*{4}\r\nError: .*cancelled\r\n$/)
  })

  test('asks for a new passphrase twice', async () => {
    const first = start('key', 'key create one.json', {})
    await first.waitFor(/Encryption Key Password: /)
    first.type(`passphrase${ENTER}`)
    await first.waitFor(/Verify Password: /)
    first.type(`other one${ENTER}`)
    const refused = await first.ended
    assert.equal(refused.status, 255)
    assert.match(refused.shown, /Error: Passwords do not match!\r\n$/)
    assert.equal(existsSync(join(folder, 'one.json')), false)
    const second = start('key', 'key create one.json', {})
    await second.waitFor(/Encryption Key Password: /)
    second.type(`passphrase${ENTER}`)
    await second.waitFor(/Verify Password: /)
    second.type(`passphrase${ENTER}`)
    const { status, shown } = await second.ended
    assert.equal(status, 0, shown)
    const key = JSON.parse(readFileSync(join(folder, 'one.json'), 'utf8'))
    assert.ok('Scrypt' in key.kdf)
  })

  test('asks whether the certificate is right, and keeps the answer', async () => {
    const { PBS_FINGERPRINT: fingerprint = '', ...known } = tokenEnvironment(data, server)
    const refused = start('trust', 'namespace list', known)
    await refused.waitFor(/Are you sure you want to continue connecting\? \(y\/n\): /)
    refused.type(`n${ENTER}`)
    const { status, shown } = await refused.ended
    assert.equal(status, 255)
    assert.ok(shown.includes(`fingerprint: ${fingerprint}`))
    assert.match(shown, /validation failed - Certificate fingerprint was not confirmed\.\r\n/)

    const trusted = start('trust', 'namespace list', known)
    await trusted.waitFor(/\(y\/n\): /)
    trusted.type(`what${ENTER}`)
    await trusted.waitFor(/\(y\/n\): /)
    trusted.type(`y${ENTER}`)
    const said = await trusted.ended
    assert.equal(said.status, 0, said.shown)
    const kept = readFileSync(join(folder, 'trust/.config/proxmox-backup/fingerprints'), 'utf8')
    assert.equal(kept, `127.0.0.1 ${fingerprint}\n`)
    const again = await start('trust', 'namespace list', known).ended
    assert.deepEqual(again, { status: 0, shown: '' })

    writeFileSync(
      join(folder, 'trust/.config/proxmox-backup/fingerprints'),
      `127.0.0.1 ${fingerprint.replaceAll(/[0-9a-f]/g, '0')}\n`,
    )
    const changed = start('trust', 'namespace list', known)
    await changed.waitFor(/WARNING: certificate fingerprint does not match expected fingerprint!/)
    await changed.waitFor(/\(y\/n\): /)
    changed.type(`n${ENTER}`)
    assert.equal((await changed.ended).status, 255)
  })

  test('shows a bar that fits the terminal and goes away', async () => {
    const columns = 60
    writeFileSync(join(folder, 'disk.img'), Buffer.alloc(24 << 20, 'not all zeros '))
    const words = 'backup disk.img:disk.img --backup-id bar --backup-time 1767225600'
    const backup = await start('bar', words, tokenEnvironment(data, server), columns).ended
    assert.equal(backup.status, 0, backup.shown)
    checkBars(backup.shown, /^disk\.img/, columns)
    assert.match(backup.shown, /disk\.img: had to backup .* of 24 MiB/)
    const words2 = 'restore host/bar disk.img again.img'
    const restore = await start('bar', words2, tokenEnvironment(data, server), columns).ended
    assert.equal(restore.status, 0, restore.shown)
    checkBars(restore.shown, /^restore \[/, columns)
    assert.match(restore.shown, /restore complete \(24 MiB processed/)
  })
})

/** Each bar overwrites the one before, is cut to the width, and is off before a line comes. */
function checkBars(text: string, start: RegExp, columns: number): void {
  const shown = text.replaceAll(CLEAR_LINE, '<clear>')
  const bars = [...shown.matchAll(/\r([^\r\n<]+)<clear>/g)].map(([, bar = '']) => bar)
  assert.ok(bars.length > 0, JSON.stringify(shown))
  for (const bar of bars) {
    assert.match(bar, start)
    assert.ok(bar.length < columns, bar)
  }
  // What is written after the last bar begins with taking it away.
  const rest = shown.slice(shown.lastIndexOf(bars.at(-1) ?? '') + (bars.at(-1) ?? '').length)
  assert.match(rest, /^<clear>\r<clear>[^\r]/)
}
