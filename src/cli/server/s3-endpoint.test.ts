/** `cairn s3 endpoint` on a new configuration, without any network. */
import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { makeTemporaryFolder } from '../../../test/support/temporary-folder.ts'
import { systemClock } from '../../base/time/clock.ts'
import { Output } from '../output.ts'
import { runProgram } from '../run-program.ts'
import { SERVER_COMMANDS } from '../server-commands.ts'

const SECRET = 'very-secret'

async function rig(context: TestContext) {
  const folder = await makeTemporaryFolder(context)
  const asked: string[] = []
  const cairn = async (line: string, more: Readonly<Record<string, string>> = {}) => {
    const texts = { out: '', error: '' }
    const environment = { LANG: 'C.UTF-8', CAIRN_DATA: folder, ...more }
    const streams = {
      writeOut: (text: string) => void (texts.out += text),
      writeError: (text: string) => void (texts.error += text),
      width: null,
    }
    const prompt = {
      isInteractive: true,
      askSecret: async (question: string) => {
        asked.push(question)
        return SECRET
      },
      askLine: async () => null,
    }
    const exit = await runProgram({ name: 'cairn', commands: SERVER_COMMANDS }, line.split(' '), {
      output: new Output(streams, environment),
      prompt,
      clock: systemClock,
      environment,
      signal: new AbortController().signal,
    })
    return { exit, ...texts }
  }
  const config = join(folder, 'config')
  return { cairn, asked, read: () => readFileSync(join(config, 's3.cfg'), 'utf8'), config }
}

const QUIET = { exit: 0, out: '', error: '' }
const CREATE = 's3 endpoint create ep1 --endpoint {{bucket}}.s3.example.com --access-key AK'

suite('cairn s3 endpoint', () => {
  test('create, update and remove say nothing and write what stock reads', async (context) => {
    const { cairn, read, config, asked } = await rig(context)
    const options = '--port 9000 --rate-in 10MiB --provider-quirks skip-if-none-match-header'
    assert.deepEqual(await cairn(`${CREATE} --secret-key S1 ${options}`), QUIET)
    const lines = [
      's3-endpoint: ep1',
      '\taccess-key AK',
      '\tendpoint {{bucket}}.s3.example.com',
      '\tport 9000',
      '\tprovider-quirks skip-if-none-match-header',
      '\trate-in 10 MiB',
      '\tsecret-key S1',
      '',
    ]
    assert.equal(read(), lines.join('\n'))
    assert.equal(statSync(join(config, 's3.cfg')).mode & 0o777, 0o600)
    const update = 's3 endpoint update ep1 --delete port --path-style true --secret-key -'
    assert.deepEqual(await cairn(update), QUIET)
    assert.equal(asked.length, 1)
    assert.match(read(), /\tpath-style true\n/)
    assert.match(read(), new RegExp(`\tsecret-key ${SECRET}\n`))
    assert.doesNotMatch(read(), /port/)
    const { out } = await cairn('s3 endpoint list --output-format json')
    assert.ok(out.includes('"rate-in":"10 MiB"') && !out.includes(SECRET), out)
    assert.deepEqual(await cairn('s3 endpoint remove ep1'), QUIET)
    assert.equal(read(), '')
  })

  test('takes the secret from the environment, or asks for it', async (context) => {
    const { cairn, read, asked } = await rig(context)
    await cairn(CREATE, { CAIRN_S3_SECRET_KEY: 'from-outside' })
    assert.match(read(), /\tsecret-key from-outside\n/)
    assert.deepEqual(asked, [])
    await cairn(CREATE.replace('ep1', 'ep2'))
    assert.deepEqual(asked, ['Secret key: '])
  })

  test('refuses what no endpoint can have, and one that is in use', async (context) => {
    const { cairn, config } = await rig(context)
    const wrong = [
      [`${CREATE} --secret-key S --port 70000`, /'port': value must have a maximum value of 65535/],
      [`${CREATE} --secret-key S --rate-in fast`, /byte-size parse error for 'fast'/],
      [`${CREATE} --secret-key S --fingerprint ab`, /'fingerprint': .*regex pattern/],
      [`${CREATE.replace('{{bucket}}.', 'a/')} --secret-key S`, /'endpoint': .*regex pattern/],
      ['s3 endpoint update ep9 --port 1', /no such s3-endpoint 'ep9'/],
      ['s3 endpoint remove ep9', /s3 client config 'ep9' do not exist\./],
      ['s3 ls nothere', /no such datastore 'nothere'/],
    ] as const
    await cairn(`${CREATE} --secret-key S`)
    for (const [line, message] of wrong) {
      const { exit, error } = await cairn(line)
      assert.equal(exit, 255, line)
      assert.match(error, message)
    }
    const backend = 'type=s3,client=ep1,bucket=abc'
    writeFileSync(
      join(config, 'datastore.cfg'),
      `datastore: st1\n\tbackend ${backend}\n\tpath /x\n`,
    )
    const { error } = await cairn('s3 endpoint remove ep1')
    assert.match(error, /in-use by datastore st1/)
    const again = await cairn(`${CREATE} --secret-key S`)
    assert.match(again.error, /'id': s3 client config 'ep1' already exists\./)
  })
})
