/**
 * A real S3 server for tests: one Ceph for all test files of a run, started by the first that wants it (12 s), a bucket
 * for each test.
 *
 * `CAIRN_CEPH_DIR` names the folder of the server that is shared; `tools/run-tests.ts` sets it and stops the server at
 * the end. A file that is run alone starts its own and stops it when the process ends. Whoever sets it by hand keeps
 * the server from run to run and stops it by `test/support/ceph-rgw.sh stop DIR`.
 */
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { Agent } from 'node:https'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'node:test'
import { CreateBucketCommand, DeleteBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { lockFile } from '../../src/base/fs/file-lock.ts'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { Secret } from '../../src/base/secret.ts'
import { silentLog } from '../../src/base/log.ts'
import { systemClock } from '../../src/base/time/clock.ts'
import { type ObjectStoreOptions, openObjectStore } from '../../src/storage/s3/open-object-store.ts'
import type { S3ObjectStore } from '../../src/storage/s3/s3-object-store.ts'
import { createPinnedAgent } from '../../src/transport/pinned-agent.ts'

const SCRIPT = join(import.meta.dirname, 'ceph-rgw.sh')
/** Ceph starts in 12 s alone; beside a whole suite it may take much longer. */
const START_TIMEOUT_MS = 200_000
/** Somebody may take a port between our look and Ceph's. */
const START_ATTEMPTS = 3
/** Distances of the other ports from the first: TLS, monitor. */
const PORT_DISTANCES = [0, 1, 1_000]
const PROGRAMS = ['radosgw', 'ceph-mon', 'ceph-osd', 'radosgw-admin', 'openssl', 'curl']

export interface CephServer {
  readonly host: string
  /** TLS. */
  readonly port: number
  /** SHA-256 of its certificate, lower-case hex with colons. */
  readonly fingerprint: string
  readonly region: string
  readonly accessKey: string
  readonly secretKey: Secret
}

/** Why there is no Ceph here, or null: `test(name, { skip: cephMissing ?? false }, …)`. */
export const cephMissing: string | null = findMissing()

let running: Promise<CephServer> | null = null

/** The server of this run. */
export function useCeph(): Promise<CephServer> {
  running ??= start()
  return running
}

/** Name of a new, empty bucket; random by default. */
export async function makeBucket(
  bucket = `test-${randomBytes(8).toString('hex')}`,
): Promise<string> {
  await sendToCeph(new CreateBucketCommand({ Bucket: bucket }))
  return bucket
}

/** Removes an empty bucket. */
export async function removeBucket(bucket: string): Promise<void> {
  await sendToCeph(new DeleteBucketCommand({ Bucket: bucket }))
}

async function sendToCeph(command: CreateBucketCommand | DeleteBucketCommand): Promise<void> {
  const { host, port, region, accessKey, secretKey } = await useCeph()
  const agent = new Agent({ rejectUnauthorized: false })
  const client = new S3Client({
    endpoint: `https://${host}:${port}`,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey.reveal() },
    requestHandler: { httpsAgent: agent },
  })
  if (command instanceof CreateBucketCommand) await client.send(command)
  else await client.send(command)
  client.destroy()
}

/** A new bucket behind our client, its certificate pinned; connections end with the test. */
export async function openCephStore(
  context: TestContext,
  overrides: Partial<ObjectStoreOptions> = {},
): Promise<S3ObjectStore> {
  const { host, port, region, accessKey, secretKey, fingerprint } = await useCeph()
  const agent = overrides.agent ?? createPinnedAgent({ fingerprint })
  context.after(() => agent.destroy())
  return openObjectStore({
    endpoint: host,
    port,
    region,
    bucket: overrides.bucket ?? (await makeBucket()),
    pathStyle: true,
    accessKey,
    secretKey,
    agent,
    quirks: [],
    clock: systemClock,
    log: silentLog,
    ...overrides,
  })
}

function findMissing(): string | null {
  if (process.platform !== 'linux') return 'Ceph runs on Linux'
  const missing = PROGRAMS.filter((name) => !isInstalled(name))
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`
  return process.getuid?.() === 0 ? null : 'needs root'
}

function isInstalled(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

async function start(): Promise<CephServer> {
  if (cephMissing !== null) throw new Error(`Cannot start Ceph: ${cephMissing}`)
  const shared = process.env['CAIRN_CEPH_DIR']
  const folder = shared ?? mkdtempSync(join(memoryFolder(), 'cairn-ceph-'))
  if (shared === undefined) process.once('exit', () => stopCeph(folder))
  mkdirSync(folder, { recursive: true })
  const told = join(folder, 'server.json')
  await using _lock = await lockFile(nodeFileSystem, join(folder, 'start.lock'), {
    kind: 'exclusive',
    timeoutMs: START_TIMEOUT_MS,
    clock: systemClock,
  })
  if (!existsSync(told)) writeFileSync(told, await startServer(join(folder, 'ceph')))
  return parseServer(readFileSync(told, 'utf8'))
}

/** Ends the server of `folder`, if one was started there, and removes the folder. */
export function stopCeph(folder: string): void {
  if (existsSync(join(folder, 'ceph'))) {
    spawnSync('bash', [SCRIPT, 'stop', join(folder, 'ceph')], { stdio: 'ignore' })
  }
  spawnSync('rm', ['-rf', folder], { stdio: 'ignore' })
}

/** A folder for `CAIRN_CEPH_DIR`; nothing is made or started yet. */
export function newCephFolder(): string {
  return join(memoryFolder(), `cairn-ceph-${randomBytes(6).toString('hex')}`)
}

/** What it prints. */
async function startServer(folder: string): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await findPort()
    const child = spawn('bash', [SCRIPT, 'start', folder, String(port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const output: Buffer[] = []
    child.stdout.on('data', (bytes: Buffer) => output.push(bytes))
    const [code] = (await once(child, 'close')) as [number | null]
    if (code === 0) return Buffer.concat(output).toString()
    spawnSync('bash', [SCRIPT, 'stop', folder], { stdio: 'ignore' })
    if (attempt >= START_ATTEMPTS) throw new Error(`Cannot start Ceph: exit code ${code}`)
  }
}

/** A port that is free together with those at the distances that Ceph uses. */
async function findPort(): Promise<number> {
  for (;;) {
    await using first = await listen(0)
    const port = first.port
    if (port + 1_000 > 65_535) continue
    try {
      for (const distance of PORT_DISTANCES.slice(1)) {
        await using _other = await listen(port + distance)
      }
      return port
    } catch {
      // somebody listens there
    }
  }
}

async function listen(port: number): Promise<AsyncDisposable & { readonly port: number }> {
  const server: Server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}

function parseServer(text: string): CephServer {
  const value = (name: string): string => {
    const found = new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1]
    if (found === undefined) throw new Error(`Ceph told no ${name}`)
    return found
  }
  const url = new URL(value('S3_TLS_ENDPOINT'))
  return {
    host: url.hostname,
    port: Number(url.port),
    fingerprint: value('S3_FINGERPRINT'),
    region: value('S3_REGION'),
    accessKey: value('S3_ACCESS_KEY'),
    secretKey: new Secret(value('S3_SECRET_KEY')),
  }
}

function memoryFolder(): string {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
}
