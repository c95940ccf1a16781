/**
 * What our client prints, against the recorded calls of the stock client: exit code, standard output and
 * standard error. Lists are fed with the recorded JSON by a small server, so that only the printing is
 * ours to get wrong; calls that fail before they reach a server need none.
 */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { certificateFingerprint } from '../../src/transport/tls.ts'
import { testCertificate } from '../support/certificate.ts'
import {
  type MadeCall,
  type RecordedCall,
  makeCall,
  mergedEnvironment,
  readCall,
  recordedCallNames,
  withoutVersion,
} from '../support/client-call.ts'
import { unpackFixture } from '../support/fixture-files.ts'
import { goldenKeyFile } from '../support/golden-datastore.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { LISTINGS, WITHOUT_SERVER } from './client-call-lists.ts'

const SECRET = '12345678-1234-1234-1234-123456789012'
const folder = await makeTemporaryFolder()

async function run(
  recorded: RecordedCall,
  address: Readonly<Record<string, string>>,
): Promise<MadeCall> {
  const common = {
    HOME: join(folder, 'home'),
    LANG: 'C.UTF-8',
    PBS_REPOSITORY: 'admin@pbs!ref@127.0.0.1:8007:fxgold',
    PBS_PASSWORD: SECRET,
    PBS_FINGERPRINT: '00',
  }
  const environment = mergedEnvironment(common, { ...recorded.environment, ...address })
  return await makeCall(recorded.words, { environment })
}

/** The data that the server must have sent for the JSON that was printed. */
function answerFor(stem: string): unknown {
  const value = JSON.parse(readCall(`${stem}.json`).stdout)
  if (stem.startsWith('namespace')) return value
  if (stem.startsWith('notes')) return { data: value.notes }
  if (stem.startsWith('protected')) return { data: value.protected }
  if (stem === 'version') return { data: value.server }
  return { data: value }
}

/** What may differ: our own version, and the numbers of a disk that went on being used. */
function masked(text: string, stem: string): string {
  const ours = withoutVersion(text)
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
      const recorded = readCall(name)
      const ran = await run(recorded, {})
      const stem = name.split('.')[0] ?? ''
      assert.equal(masked(ran.stderr, stem), masked(recorded.stderr, stem))
      assert.equal(masked(ran.stdout, stem), masked(recorded.stdout, stem))
      assert.equal(ran.status, recorded.status)
    })
  }

  for (const stem of LISTINGS) {
    const names = recordedCallNames().filter((name) => name.split('.', 1)[0] === stem)
    for (const name of names) {
      test(name, async () => {
        const recorded = readCall(name)
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
