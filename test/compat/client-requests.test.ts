/**
 * Our client asks what stock's client asked for the same input: the recorded server answers, methods,
 * paths, parameters, bodies and their order are compared.
 *
 * Compared are: every parameter but `encoded-size` and `wid` (replaced by the archive it names); the
 * decoded content of blobs and chunks, because our zstd compresses to other bytes; JSON as values.
 * Order: exactly within one archive; uploads of two archives at once may interleave in any way.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, suite, test } from 'node:test'
import { CryptConfig } from '../../src/crypto/crypt-config.ts'
import { parseKeyConfig } from '../../src/crypto/key-config.ts'
import { decodeBlob } from '../../src/formats/data-blob.ts'
import { unpackFixture } from '../support/fixture-files.ts'
import { goldenKeyFile } from '../support/golden-datastore.ts'
import {
  type NotedRequest,
  type RecordedExchange,
  playRecording,
  readRecording,
} from '../support/recorded-server.ts'
import { runClient } from '../support/run-client.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

interface Case {
  readonly recording: string
  readonly args: readonly string[]
  readonly key?: string
  readonly status?: number
  /** Trees need root to carry owners, devices and attributes: only then the bytes are those. */
  readonly hasTree?: boolean
  readonly pipe?: string
  readonly environment?: Readonly<Record<string, string>>
}

const DAY_1 = '1767225600'
const DAY_2 = '1767312000'
const DAY_3 = '1767398400'

function backup(id: string, time: string, ...rest: readonly string[]): readonly string[] {
  return ['backup', '--backup-id', id, '--backup-time', time, ...rest]
}

const CASES: readonly Case[] = [
  {
    recording: 'image-first',
    args: backup(
      '100',
      DAY_1,
      '--backup-type',
      'vm',
      'qemu-server.conf:images/qemu-server.conf',
      'drive-scsi0.img:images/unaligned.img',
    ),
  },
  {
    recording: 'image-incremental',
    args: backup(
      '100',
      DAY_2,
      '--backup-type',
      'vm',
      'qemu-server.conf:images/qemu-server.conf',
      'drive-scsi0.img:images/unaligned-2.img',
    ),
  },
  { recording: 'pxar-first', args: backup('tree', DAY_1, 'root.pxar:small'), hasTree: true },
  {
    recording: 'encrypted-first',
    args: backup(
      'encrypted',
      DAY_1,
      '--ns',
      'a/b',
      '--keyfile',
      'keys/plain.json',
      'disk.img:images/hard.img',
      'root.pxar:small',
      'host.conf:images/fw.conf',
    ),
    key: 'plain.json',
    hasTree: true,
  },
  {
    recording: 'master-key',
    args: backup(
      'master',
      DAY_1,
      '--keyfile',
      'keys/master-used.json',
      '--master-pubkey-file',
      'keys/master-public.pem',
      'host.conf:images/fw.conf',
    ),
    key: 'master-used.json',
  },
  {
    recording: 'image-from-pipe',
    args: backup('pipe', DAY_1, 'disk.img:pipe'),
    pipe: 'images/unaligned.img',
  },
  {
    recording: 'login-and-backup',
    args: backup('by-password', DAY_1, 'host.conf:images/fw.conf'),
    environment: { PBS_AUTH_ID: 'admin@pbs', PBS_PASSWORD: 'REDACTED' },
  },
  {
    recording: 'dry-run',
    args: backup('dry', DAY_1, '--dry-run', 'host.conf:images/fw.conf', 'disk.img:images/hard.img'),
  },
  {
    recording: 'plain-after-encrypted',
    args: backup('encrypted', DAY_3, '--ns', 'a/b', 'host.conf:images/fw.conf'),
  },
  {
    recording: 'restore-image',
    args: ['restore', 'vm/100/2026-01-02T00:00:00Z', 'drive-scsi0.img', 'restored.img'],
  },
  {
    recording: 'restore-blob',
    args: ['restore', 'vm/100/2026-01-02T00:00:00Z', 'qemu-server.conf', '-'],
  },
  { recording: 'restore-pxar', args: ['restore', 'host/tree', 'root.pxar', 'restored-tree'] },
  {
    recording: 'restore-pattern',
    args: [
      'restore',
      'host/tree/2026-01-01T00:00:00Z',
      'root.pxar',
      'restored-pattern',
      '--pattern',
      'text/short.txt',
    ],
  },
  {
    recording: 'restore-encrypted',
    args: [
      'restore',
      'host/encrypted/2026-01-02T00:00:00Z',
      'disk.img',
      'restored-encrypted.img',
      '--ns',
      'a/b',
      '--keyfile',
      'keys/plain.json',
    ],
    key: 'plain.json',
  },
  {
    recording: 'upload-log',
    args: ['upload-log', 'vm/100/2026-01-01T00:00:00Z', 'images/job.log'],
  },
]

/** Leaves out what only root can restore; asks the server for nothing else. */
const AS_USER: readonly string[] =
  process.getuid?.() === 0
    ? []
    : ['--ignore-ownership', '--ignore-acls', '--ignore-xattrs', '--pattern', 'text']

const folder = await makeTemporaryFolder()

suite('requests of our client are those of the stock client', () => {
  before(() => {
    unpackFixture('images', join(folder, 'images'))
    unpackFixture('small', join(folder, 'small'))
    for (const name of ['plain.json', 'master-used.json', 'master-public.pem']) {
      unpackKey(folder, name)
    }
  })

  for (const example of CASES) {
    test(example.recording, async () => {
      const recording = readRecording(example.recording)
      await using server = await playRecording(recording)
      using _writer = example.pipe === undefined ? null : feedPipe(folder, example.pipe)
      const isTree = example.args.includes('root.pxar')
      const run = await runClient([...example.args, ...(isTree ? AS_USER : [])], {
        cwd: folder,
        environment: {
          HOME: join(folder, 'home'),
          PBS_SERVER: '127.0.0.1',
          PBS_PORT: String(server.port),
          PBS_DATASTORE: 'fxsess',
          PBS_AUTH_ID: 'admin@pbs!ref',
          PBS_PASSWORD: 'REDACTED',
          PBS_FINGERPRINT: server.fingerprint,
          ...example.environment,
        },
      })
      assert.equal(run.status, example.status ?? 0, run.stderr)
      const crypt = example.key === undefined ? null : readCrypt(example.key)
      const rules = { crypt, hasTree: example.hasTree === true, writers: writersOf(recording) }
      const ours = await normalize(server.requests, rules)
      const theirs = await normalize(
        recording.map(({ request }) => request),
        rules,
      )
      assert.deepEqual(sorted(ours), sorted(theirs))
      for (const archive of archivesOf(theirs)) {
        const only = (lines: readonly Line[]) => lines.filter((line) => line.archive === archive)
        assert.deepEqual(only(ours), only(theirs), `order of ${archive}`)
      }
    })
  }
})

interface Line {
  /** What must keep its order: one archive, or the session itself. */
  readonly archive: string
  readonly text: string
  readonly content: unknown
}

interface Rules {
  readonly crypt: CryptConfig | null
  readonly hasTree: boolean
  /** Archive of each writer id, as the recorded answers gave them. */
  readonly writers: ReadonlyMap<string, string>
}

const SESSION = 'session'
const VOLATILE: readonly string[] = ['encoded-size', 'wid']
/** What depends on attributes of the tree that only root can restore, and sockets that tar leaves out. */
const TREE_VOLATILE: readonly string[] = ['digest', 'size', 'csum', 'chunk-count']

function writersOf(recording: readonly RecordedExchange[]): ReadonlyMap<string, string> {
  const created = recording.flatMap(({ request, body }) => {
    const name = new Map(request.query).get('archive-name')
    if (name === undefined || request.method !== 'POST') return []
    const answer: { data: number } = JSON.parse(body.toString())
    return [[String(answer.data), name] as const]
  })
  return new Map(created)
}

async function normalize(
  requests: readonly NotedRequest[],
  rules: Rules,
): Promise<readonly Line[]> {
  const lines: Line[] = []
  for (const request of requests) lines.push(await normalizeOne(request, rules))
  return lines
}

async function normalizeOne(request: NotedRequest, rules: Rules): Promise<Line> {
  const query = new Map(request.query)
  const type = request.headers['content-type'] ?? ''
  const json: unknown = type.startsWith('application/json')
    ? JSON.parse(request.body.toString())
    : null
  const inJson = json !== null && typeof json === 'object' && 'wid' in json ? json.wid : undefined
  const writer = query.get('wid') ?? (typeof inJson === 'number' ? String(inJson) : undefined)
  const written = writer === undefined ? undefined : rules.writers.get(writer)
  const archive = query.get('archive-name') ?? written ?? SESSION
  const isTree = rules.hasTree && request.path.startsWith('/dynamic')
  const parameters = request.query
    .filter(([name]) => !VOLATILE.includes(name) && !(isTree && TREE_VOLATILE.includes(name)))
    .map((pair) => pair.join('='))
  const agent = request.headers['user-agent']
  const text = [agent, type, archive, request.method, request.path, ...parameters].join(' ')
  return { archive, text, content: await contentOf(request, json, { ...rules, isTree }) }
}

async function contentOf(
  request: NotedRequest,
  json: unknown,
  { crypt, isTree }: { readonly crypt: CryptConfig | null; readonly isTree: boolean },
): Promise<unknown> {
  if (json !== null) return isTree ? Object.keys(Object(json)).toSorted() : withoutWriter(json)
  if (request.body.length === 0 || isTree) return null
  const plain = Buffer.from(await decodeBlob(request.body, { crypt }))
  const fileName = new Map(request.query).get('file-name')
  if (fileName === 'rsa-encrypted.key.blob') return plain.length
  if (fileName !== 'index.json.blob') return plain.toString('hex')
  const manifest = JSON.parse(plain.toString())
  manifest.signature = typeof manifest.signature
  for (const file of manifest.files) {
    delete file.csum
    delete file.size
  }
  return manifest
}

function withoutWriter(json: unknown): unknown {
  const copy = { ...(json as Record<string, unknown>) }
  delete copy['wid']
  return copy
}

function sorted(lines: readonly Line[]): readonly Line[] {
  return lines.toSorted((left, right) => {
    if (left.text === right.text) return 0
    return left.text < right.text ? -1 : 1
  })
}

function archivesOf(lines: readonly Line[]): ReadonlySet<string> {
  return new Set(lines.map(({ archive }) => archive))
}

function readCrypt(name: string): CryptConfig {
  return CryptConfig.create(parseKeyConfig(goldenKeyFile(name)).data)
}

function unpackKey(folder: string, name: string): void {
  mkdirSync(join(folder, 'keys'), { recursive: true })
  const path = join(folder, 'keys', name)
  writeFileSync(path, goldenKeyFile(name))
  chmodSync(path, 0o600)
}

/** Makes a FIFO called `pipe` and writes `source` into it from a process of its own. */
function feedPipe(cwd: string, source: string): Disposable {
  spawnSync('mkfifo', ['pipe'], { cwd })
  const writer = spawn('sh', ['-c', 'cat "$0" > pipe', source], { cwd, stdio: 'ignore' })
  return { [Symbol.dispose]: () => writer.kill() }
}
