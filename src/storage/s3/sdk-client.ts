/**
 * The AWS library, told everything: it reads neither environment nor files, repeats nothing, adds no checksums that
 * older stores do not know, and sends bodies as they are (datastore-semantics.md 19.2).
 */
import type { Agent } from 'node:https'
import { type PutObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { type BodySink, setBodySink } from '../../base/body-sinks.ts'
import type { Secret } from '../../base/secret.ts'
import { checksumsOf, type BodyChecksums } from '../../formats/body-checksums.ts'
import type { ResolvedEndpoint } from './endpoint.ts'
import type { CounterName, RequestCounters } from './request-counters.ts'

export interface SdkOptions {
  readonly endpoint: ResolvedEndpoint
  readonly region: string
  readonly accessKey: string
  readonly secretKey: Secret
  readonly agent: Agent
  readonly connectTimeoutMs: number
  readonly counters: RequestCounters
  /** Called with the `Date` of each answer, as the store writes it. */
  readonly onDate: (date: string) => void
}

/** An agent says why a connection failed; this limit is for one that does not. */
const CONNECT_GRACE_MS = 2_000

const COUNTERS: Readonly<Record<string, CounterName>> = {
  GET: 'get',
  PUT: 'put',
  POST: 'post',
  HEAD: 'head',
  DELETE: 'delete',
}

/** The client of one endpoint. Its connections are the agent's, whose owner closes them. */
export function createSdkClient(options: SdkOptions): S3Client {
  const { endpoint, region, accessKey, secretKey } = options
  const config: S3ClientConfig = {
    endpoint: endpoint.url,
    region,
    forcePathStyle: endpoint.pathStyle,
    credentials: async () => ({
      accessKeyId: accessKey,
      secretAccessKey: secretKey.reveal(),
    }),
    requestHandler: makeHandler(options),
    maxAttempts: 1,
    retryMode: 'standard',
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // We never wait for a store's leave to send a body.
    expectContinueHeader: false,
    followRegionRedirects: false,
    useArnRegion: false,
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    useAccelerateEndpoint: false,
    disableMultiregionAccessPoints: true,
    disableS3ExpressSessionAuth: true,
    authSchemePreference: ['sigv4'],
    sigv4aSigningRegionSet: [region],
    defaultsMode: 'standard',
    userAgentAppId: async () => undefined,
    customUserAgent: 'cairn',
  }
  const client = new S3Client(config)
  client.middlewareStack.add(
    (next) => async (args) => {
      await signBody(args.request as OutgoingRequest)
      return await next(args)
    },
    LAST,
  )
  return client
}

/** Lets `command` send these checksums of its body instead of computing them once more. */
export function withChecksums(
  command: PutObjectCommand,
  checksums: BodyChecksums,
): PutObjectCommand {
  command.middlewareStack.add(
    (next) => async (args) => {
      setChecksums(args.request as OutgoingRequest, checksums)
      return await next(args)
    },
    FIRST,
  )
  return command
}

const FIRST = { step: 'build', priority: 'high', name: 'cairnKnownChecksums' } as const
const LAST = { step: 'build', priority: 'low', name: 'cairnChecksums' } as const

/** An option of `send`, which hands it on: where the body of the answer is to lie. */
export interface SinkOption {
  readonly sink?: BodySink | null
}

interface OutgoingRequest {
  readonly method: string
  headers: Record<string, string>
  readonly body?: unknown
}

const SHA256_HEADER = 'x-amz-content-sha256'

/** Small bodies (lists of keys) get the checksums that every store knows, in place of the newer ones. */
async function signBody(request: OutgoingRequest): Promise<void> {
  for (const name of Object.keys(request.headers)) {
    if (/^x-amz-(sdk-)?checksum-/i.test(name)) delete request.headers[name]
  }
  const body = bytesOf(request.body)
  if (body === null || request.headers[SHA256_HEADER] !== undefined) return
  setChecksums(request, await checksumsOf(body))
}

function setChecksums(request: OutgoingRequest, checksums: BodyChecksums): void {
  request.headers['content-md5'] = checksums.md5Base64
  request.headers[SHA256_HEADER] = checksums.sha256
}

function bytesOf(body: unknown): Uint8Array | null {
  if (typeof body === 'string') return Buffer.from(body)
  return body instanceof Uint8Array ? body : null
}

/** Sends requests through the agent; counts what leaves, and reads the store's clock. */
function makeHandler({ agent, connectTimeoutMs, counters, onDate }: SdkOptions): NodeHttpHandler {
  const handler = new NodeHttpHandler({
    httpsAgent: agent,
    connectionTimeout: connectTimeoutMs + CONNECT_GRACE_MS,
    // Our own deadline ends an attempt, body included; nothing else does.
    requestTimeout: 0,
    socketTimeout: 0,
    // Requests wait for a connection in our queue, never in the agent's.
    logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
  })
  const send = handler.handle.bind(handler)
  handler.handle = async (request, options) => {
    const name = COUNTERS[request.method]
    if (name !== undefined) counters.add(name, 1)
    const { sink } = (options ?? {}) as SinkOption
    if (sink !== undefined && sink !== null) setBodySink(request.headers, sink)
    const size = bytesOf(request.body)?.length ?? 0
    if (size > 0) counters.add('upload', size)
    const answer = await send(request, options)
    const date = answer.response.headers['date']
    if (date !== undefined) onDate(date)
    return answer
  }
  // The agent belongs to who made it.
  handler.destroy = () => {}
  return handler
}
