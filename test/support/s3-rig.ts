/** A server process with an S3 endpoint on Ceph, a bucket for the test, and both programs' commands. */
import type { TestContext } from 'node:test'
import { join } from 'node:path'
import type { BucketUsage } from '../../src/server/s3/bucket-usage.ts'
import type { S3ObjectStore } from '../../src/storage/s3/s3-object-store.ts'
import { type CairnData, prepareCairnData, tokenEnvironment } from './cairn-data.ts'
import { type CairnProcess, startCairn } from './cairn-process.ts'
import { makeBucket, openCephStore, useCeph } from './ceph.ts'
import { type ClientRun, runClient } from './run-client.ts'
import { type CommandRun, runServerCommand } from './run-server-command.ts'
import { connectTo } from './small-backups.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

export const ENDPOINT = 'ceph'

export class S3Rig implements AsyncDisposable {
  readonly folder: string
  readonly data: CairnData
  readonly bucket: string
  /** The bucket without Cairn. */
  readonly objects: S3ObjectStore
  #server: CairnProcess

  private constructor(parts: {
    folder: string
    data: CairnData
    bucket: string
    objects: S3ObjectStore
    server: CairnProcess
  }) {
    this.folder = parts.folder
    this.data = parts.data
    this.bucket = parts.bucket
    this.objects = parts.objects
    this.#server = parts.server
  }

  /** A server that knows the endpoint `ceph`; `bucket` is another rig's, or a new one. */
  static async open(
    context: TestContext,
    options: { readonly bucket?: string } = {},
  ): Promise<S3Rig> {
    const folder = await makeTemporaryFolder(context)
    const bucket = options.bucket ?? (await makeBucket())
    const objects = await openCephStore(context, { bucket })
    const data = await prepareCairnData(join(folder, 'data'))
    const server = await startCairn(data.data)
    const rig = new S3Rig({ folder, data, bucket, objects, server })
    await rig.good('s3', 'endpoint', 'create', ENDPOINT, ...(await endpointOptions()))
    return rig
  }

  get server(): CairnProcess {
    return this.#server
  }

  /** Starts the server again on the same data, after it has ended. */
  async restart(): Promise<void> {
    this.#server = await startCairn(this.data.data)
  }

  /** Runs `cairn`. */
  async cairn(...args: readonly string[]): Promise<CommandRun> {
    return await runServerCommand([...args, '--data', this.data.data])
  }

  /** Runs `cairn`, which must succeed; what it prints. */
  async good(...args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.cairn(...args)
    if (status !== 0) throw new Error(`cairn ${args.join(' ')}: ${stdout}${stderr}`)
    return stdout
  }

  /** Runs `cairn`, which must fail; what it says. */
  async bad(...args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.cairn(...args)
    if (status === 0) throw new Error(`cairn ${args.join(' ')} succeeded: ${stdout}`)
    return stdout + stderr
  }

  /** Makes the datastore `name` in the bucket. */
  async createStore(name: string, ...options: readonly string[]): Promise<string> {
    return await this.good(...this.createWords(name), ...options)
  }

  createWords(name: string): string[] {
    const backend = `type=s3,client=${ENDPOINT},bucket=${this.bucket},max-cache-size=64MiB`
    return ['datastore', 'create', name, join(this.folder, name), '--backend', backend]
  }

  /** Runs `cairn-client` on the datastore `store`. */
  async client(store: string, ...args: readonly string[]): Promise<ClientRun> {
    const environment = tokenEnvironment(this.data, this.#server)
    const repository = environment['PBS_REPOSITORY']?.replace(/main$/, store) ?? ''
    return await runClient(args, {
      // Yes to whatever it asks.
      input: 'y\n',
      environment: { ...environment, PBS_REPOSITORY: repository, HOME: this.folder },
    })
  }

  /** Runs `cairn-client`, which must succeed; what it prints. */
  async goodClient(store: string, ...args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.client(store, ...args)
    if (status !== 0)
      throw new Error(`cairn-client ${args.join(' ')}: ${stdout.toString()}${stderr}`)
    return stdout.toString()
  }

  async usage(store: string): Promise<BucketUsage> {
    await using connection = await connectTo(tokenEnvironment(this.data, this.#server))
    const { data } = await connection.get(`admin/datastore/${store}/s3-usage`)
    return data as BucketUsage
  }

  /** Every key of the bucket. */
  async keys(): Promise<string[]> {
    const keys: string[] = []
    for await (const page of this.objects.list('')) keys.push(...page.objects.map(({ key }) => key))
    return keys
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
  }
}

/** Options of `s3 endpoint create` for the Ceph of this run. */
export async function endpointOptions(): Promise<string[]> {
  const { host, port, region, accessKey, secretKey, fingerprint } = await useCeph()
  const place = ['--endpoint', host, '--port', String(port), '--region', region]
  const keys = ['--access-key', accessKey, '--secret-key', secretKey.reveal()]
  return [...place, ...keys, '--path-style', 'true', '--fingerprint', fingerprint]
}
