import assert from 'node:assert/strict'
import { chmodSync, cpSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { Secret } from '../base/secret.ts'
import { systemClock } from '../base/time/clock.ts'
import { ConfigFiles } from './config-files.ts'
import { ensurePlaces, resolvePaths } from './paths.ts'
import { S3_FILE } from './s3-endpoint-file.ts'
import {
  addS3Endpoint,
  changeS3Endpoint,
  findS3Endpoint,
  listS3Endpoints,
  removeS3Endpoint,
} from './s3-endpoints.ts'

const CONFIG = fileURLToPath(new URL('../../test/fixtures/config', import.meta.url))
const SECRET = 'very/secret+key'

async function open(isEmpty = false): Promise<ConfigFiles> {
  const paths = resolvePaths({ data: await makeTemporaryFolder() })
  await ensurePlaces(nodeFileSystem, paths)
  if (!isEmpty) cpSync(CONFIG, paths.config, { recursive: true })
  return new ConfigFiles({ fs: nodeFileSystem, clock: systemClock, paths })
}

function pathOf(files: ConfigFiles): string {
  return files.pathOf(S3_FILE)
}

function given(values: Readonly<Record<string, string | readonly string[]>>) {
  return { properties: new Map(Object.entries(values)), secretKey: new Secret(SECRET) }
}

const REQUIRED = { endpoint: '{{bucket}}.s3.{{region}}.example.com', 'access-key': 'AK' }

suite('s3.cfg', () => {
  test('of a stock server is read whole, and shown without the secret', async () => {
    const files = await open()
    const { endpoints } = await listS3Endpoints(files)
    assert.deepEqual(
      endpoints.map(({ id }) => id),
      ['fxmoto', 'fxs3ep'],
    )
    const fingerprint =
      '4c:d2:66:1a:a1:71:b6:c7:e0:a1:04:d8:2b:92:9f:c1:89:08:d8:99:2a:fe:ee:d6:0a:f1:bc:98:b6:f6:94:62'
    assert.deepEqual(endpoints[0], {
      id: 'fxmoto',
      'access-key': 'AKREF',
      endpoint: '127.0.0.1',
      fingerprint,
      'path-style': true,
      port: 9443,
      region: 'us-east-1',
    })
    const endpoint = await findS3Endpoint(files, 'fxs3ep')
    assert.equal(endpoint?.secretKey.reveal(), 'SKREF')
    assert.equal(endpoint?.port, 9443)
    assert.equal(endpoint?.pathStyle, true)
    assert.deepEqual(endpoint?.quirks, [])
  })

  test('written by us is what stock writes, for its owner only', async () => {
    const files = await open(true)
    const properties = {
      ...REQUIRED,
      port: '9000',
      'provider-quirks': ['skip-if-none-match-header', 'delete-objects-via-delete-object'],
      'rate-in': '10 MiB',
      'put-rate-limit': '100',
    }
    await addS3Endpoint(files, 'ep1', given(properties))
    assert.equal(
      readFileSync(pathOf(files), 'utf8'),
      [
        's3-endpoint: ep1',
        '\taccess-key AK',
        '\tendpoint {{bucket}}.s3.{{region}}.example.com',
        '\tport 9000',
        '\tprovider-quirks skip-if-none-match-header',
        '\tprovider-quirks delete-objects-via-delete-object',
        '\tput-rate-limit 100',
        '\trate-in 10 MiB',
        `\tsecret-key ${SECRET}`,
        '',
      ].join('\n'),
    )
    assert.equal(statSync(pathOf(files)).mode & 0o777, 0o600)
    const endpoint = await findS3Endpoint(files, 'ep1')
    assert.deepEqual(endpoint?.quirks, properties['provider-quirks'])
    assert.equal(endpoint?.rateIn, 10 << 20)
    assert.equal(endpoint?.burstIn, null)
    assert.equal(endpoint?.putRateLimit, 100)
    assert.equal(endpoint?.region, 'us-west-1')
  })

  test('keeps what nobody knows, never shows it, and closes itself to others', async () => {
    const files = await open(true)
    const text = `s3-endpoint: ep1\n\taccess-key AK\n\tendpoint a.example\n\tfuture-secret x\n\tsecret-key S\n\nother: o\n\tkey v\n`
    writeFileSync(pathOf(files), text)
    chmodSync(pathOf(files), 0o644)
    await changeS3Endpoint(files, 'ep1', { properties: new Map([['port', '9']]) })
    const after = readFileSync(pathOf(files), 'utf8')
    assert.equal(after, text.replace('\tsecret-key', '\tport 9\n\tsecret-key'))
    assert.equal(statSync(pathOf(files)).mode & 0o777, 0o640)
    const { endpoints } = await listS3Endpoints(files)
    assert.deepEqual(Object.keys(endpoints[0] ?? {}).toSorted(), [
      'access-key',
      'endpoint',
      'id',
      'port',
    ])
  })

  test('shows the secret in no way but on purpose', async () => {
    const files = await open(true)
    await addS3Endpoint(files, 'ep1', given(REQUIRED))
    const { value } = await files.read(S3_FILE)
    const endpoint = await findS3Endpoint(files, 'ep1')
    const list = await listS3Endpoints(files)
    for (const thing of [value, endpoint, list, files]) {
      assert.ok(!inspect(thing, { depth: 20, showHidden: true }).includes(SECRET))
      assert.ok(!(JSON.stringify(thing) ?? '').includes(SECRET))
    }
  })

  test('changes and removes with the texts of stock', async () => {
    const files = await open()
    await assert.rejects(addS3Endpoint(files, 'fxmoto', given(REQUIRED)), {
      message: "parameter verification failed - 'id': s3 client config 'fxmoto' already exists.",
    })
    const none = { properties: new Map<string, string>() }
    await assert.rejects(changeS3Endpoint(files, 'nothere', none), {
      message: "no such s3-endpoint 'nothere'",
    })
    await assert.rejects(changeS3Endpoint(files, 'nothere', none, { digest: '0'.repeat(64) }), {
      code: 'CONFIG_MODIFIED',
    })
    await assert.rejects(removeS3Endpoint(files, 'nothere'), {
      message: "s3 client config 'nothere' do not exist.",
    })
    await assert.rejects(removeS3Endpoint(files, 'fxs3ep'), { message: 'in-use by datastore fxs3' })
    await removeS3Endpoint(files, 'fxmoto')
    const rotated = { properties: new Map([['port', null]]), secretKey: new Secret('new') }
    await changeS3Endpoint(files, 'fxs3ep', rotated)
    const endpoint = await findS3Endpoint(files, 'fxs3ep')
    assert.equal(endpoint?.secretKey.reveal(), 'new')
    assert.equal(endpoint?.port, 443)
    assert.deepEqual((await files.read(S3_FILE)).value.ids, ['fxs3ep'])
  })

  test('an endpoint that could not be read back is not written', async () => {
    const files = await open(true)
    const bad = { ...REQUIRED, 'provider-quirks': ['no-such-quirk'] }
    await assert.rejects(addS3Endpoint(files, 'ep1', given(bad)), { code: 'S3_ENDPOINT_INVALID' })
    assert.deepEqual((await listS3Endpoints(files)).endpoints, [])
  })
})
