/**
 * What our client prints, against the recorded calls of the stock client: exit code, standard output and
 * standard error. Lists are fed with the recorded JSON by a small server, so that only the printing is
 * ours to get wrong; calls that fail before they reach a server need none.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { CLIENT_COMMANDS } from '../../src/cli/client-commands.ts'
import { CLIENT_VERSION } from '../../src/cli/version.ts'
import type { ClientContext } from '../../src/cli/client/common.ts'
import { Output } from '../../src/cli/output.ts'
import { runProgram } from '../../src/cli/run-program.ts'
import { certificateFingerprint } from '../../src/transport/tls.ts'
import { testCertificate } from '../support/certificate.ts'
import { testHost } from '../support/client-host.ts'
import { fixturePath, unpackFixture } from '../support/fixture-files.ts'
import { goldenKeyFile } from '../support/golden-datastore.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const SECRET = '12345678-1234-1234-1234-123456789012'
const folder = await makeTemporaryFolder()

/** Recorded calls that end before a server is asked. */
const WITHOUT_SERVER: readonly string[] = [
  'backup-bad-chunk-size',
  'backup-bad-crypt-mode',
  'backup-both-dev',
  'backup-empty-image',
  'backup-folder-as-image',
  'backup-key-and-none',
  'backup-missing-key',
  'backup-not-a-folder',
  'backup-nothing',
  'backup-twice',
  'error-bad-repository',
  'error-both-addresses',
  'error-components-no-datastore',
  'error-namespace-root',
  'error-no-password',
  'error-no-repository',
  'error-no-server',
  'error-no-token-secret',
  'key-change-passphrase-no-tty',
  'key-create-none',
  'key-create-again',
  'key-create-no-tty',
  'key-create-none-hint',
  'key-show-default-missing',
  'key-show-missing',
  'key-show-pbkdf2.json',
  'key-show-pbkdf2.json-pretty',
  'key-show-pbkdf2.text',
  'key-show-plain.json',
  'key-show-plain.json-pretty',
  'key-show-plain.text',
  'key-show-scrypt.json',
  'key-show-scrypt.json-pretty',
  'key-show-scrypt.text',
  'version-no-repository.text',
  'version-no-repository.json',
  'version-no-repository.json-pretty',
]

/** Calls whose answer is that of another recording, `<stem>.json`. */
const LISTINGS: readonly string[] = [
  'files-encrypted',
  'list',
  'list-empty',
  'list-ns',
  'namespace-list',
  'namespace-list-below',
  'notes-show',
  'notes-show-none',
  'protected-show',
  'protected-show-not',
  'snapshot-files',
  'snapshot-list',
  'snapshot-list-group',
  'status',
  'task-list',
  'version',
]

interface Recorded {
  readonly environment: Readonly<Record<string, string | null>>
  readonly words: readonly string[]
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

function readRecorded(name: string): Recorded {
  const content = readFileSync(fixturePath('cli', `client-${name}.txt`), 'utf8')
  const match = /^\$ (.*)\nexit: (\d+)\n--- stdout\n(.*?)--- stderr\n(.*)$/s.exec(content)
  assert.ok(match, `form of ${name}`)
  const [, line = '', status = '', stdout = '', stderr = ''] = match
  const all = line.split(' ')
  const start = all.indexOf('proxmox-backup-client')
  const variables = all.slice(0, start).map((word) => {
    const equals = word.indexOf('=')
    const value = word.slice(equals + 1)
    return [word.slice(0, equals), value === '<unset>' ? null : value] as const
  })
  const words = all.slice(start + 1).map((word) => (word === "''" ? '' : word))
  return {
    environment: Object.fromEntries(variables),
    words,
    status: Number(status),
    stdout,
    stderr: stderr.replace(/\n?$/, stderr === '' ? '' : '\n'),
  }
}

interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

async function run(recorded: Recorded, address: Readonly<Record<string, string>>): Promise<Ran> {
  const given = {
    HOME: join(folder, 'home'),
    LANG: 'C.UTF-8',
    PBS_REPOSITORY: 'admin@pbs!ref@127.0.0.1:8007:fxgold',
    PBS_PASSWORD: SECRET,
    PBS_FINGERPRINT: '00',
    ...recorded.environment,
    ...address,
  }
  const known = Object.entries(given).filter(([, value]) => value !== null)
  const environment = Object.fromEntries(known) as Readonly<Record<string, string>>
  let stdout = ''
  let stderr = ''
  const streams = {
    writeOut: (text: string) => (stdout += text),
    writeError: (text: string) => (stderr += text),
    width: null,
  }
  const output = new Output(streams, environment)
  const host = { ...testHost(environment), log: (line: string) => output.log(line) }
  const context: ClientContext = {
    output,
    prompt: host.prompt,
    clock: host.clock,
    environment,
    signal: new AbortController().signal,
    host,
    pipe: { write: () => Promise.resolve() },
    progress: { upload() {}, download() {}, clear() {} },
  }
  const program = { name: 'cairn-client', commands: CLIENT_COMMANDS }
  const status = await runProgram(program, recorded.words, context)
  return { status, stdout, stderr }
}

/** The data that the server must have sent for the JSON that was printed. */
function answerFor(stem: string): unknown {
  const value = JSON.parse(readRecorded(`${stem}.json`).stdout)
  if (stem.startsWith('namespace')) return value
  if (stem.startsWith('notes')) return { data: value.notes }
  if (stem.startsWith('protected')) return { data: value.protected }
  if (stem === 'version') return { data: value.server }
  return { data: value }
}

/** What may differ: our own version, and the numbers of a disk that went on being used. */
function masked(text: string, stem: string): string {
  const { version, release, repoid } = CLIENT_VERSION
  const ours = text
    .replace(`client version: ${version}.${release}`, 'client version: 4.2.3')
    .replace(/("client": ?\{)[^}]*(\})/, '$1$2')
    .replaceAll(repoid, 'REPO')
  return stem === 'status' ? ours.replaceAll(/\d{6,}/g, 'N') : ours
}

suite('the client prints what stock prints', () => {
  const previous = process.cwd()
  before(async () => {
    process.env['TZ'] = 'UTC'
    unpackFixture('images', join(folder, 'images'))
    unpackFixture('small', join(folder, 'small'))
    await mkdir(join(folder, 'keys'))
    for (const name of ['plain.json', 'scrypt.json', 'pbkdf2.json']) {
      await writeFile(join(folder, 'keys', name), goldenKeyFile(name))
    }
    process.chdir(folder)
  })
  after(() => process.chdir(previous))

  for (const name of WITHOUT_SERVER) {
    test(name, async () => {
      const recorded = readRecorded(name)
      const ran = await run(recorded, {})
      const stem = name.split('.')[0] ?? ''
      assert.equal(masked(ran.stderr, stem), masked(recorded.stderr, stem))
      assert.equal(masked(ran.stdout, stem), masked(recorded.stdout, stem))
      assert.equal(ran.status, recorded.status)
    })
  }

  for (const stem of LISTINGS) {
    const files = readdirSync(fixturePath('cli')).filter((file) =>
      file.startsWith(`client-${stem}.`),
    )
    for (const file of files) {
      const name = file.replace(/^client-(.*)\.txt$/, '$1')
      test(name, async () => {
        const recorded = readRecorded(name)
        await using server = await answerWith(answerFor(stem))
        const ran = await run(recorded, server.environment)
        assert.equal(masked(ran.stderr, stem), masked(recorded.stderr, stem))
        assert.equal(masked(ran.stdout, stem), masked(recorded.stdout, stem))
        assert.equal(ran.status, recorded.status)
      })
    }
  }
})

/** A server that answers every request with `answer`. */
async function answerWith(answer: unknown) {
  const { keyPem, certificatePem } = await testCertificate()
  const server = createServer({ key: keyPem, cert: certificatePem }, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json;charset=UTF-8' })
    response.end(JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    environment: {
      PBS_REPOSITORY: `admin@pbs!ref@127.0.0.1:${port}:fxgold`,
      PBS_FINGERPRINT: certificateFingerprint(certificatePem),
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
