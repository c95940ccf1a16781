/**
 * A server that answers as the recorded stock server did, and notes what it is asked: our client is
 * tested against it without a server of our own.
 */
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { ServerHttp2Stream } from 'node:http2'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { certificateFingerprint } from '../../src/transport/tls.ts'
import { acceptHttp2 } from '../../src/transport/upgrade.ts'
import { testCertificate } from './certificate.ts'
import { fixturePath } from './fixture-files.ts'

export interface RecordedBody {
  readonly json?: unknown
  readonly text?: string
  readonly hex?: string
  readonly sha256?: string
  readonly length?: number
}

export interface NotedRequest {
  readonly connection: number
  readonly method: string
  /** Without query. */
  readonly path: string
  readonly query: readonly (readonly [name: string, value: string])[]
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface RecordedExchange {
  readonly request: NotedRequest
  readonly status: number
  readonly body: Buffer
}

export interface RecordedServer extends AsyncDisposable {
  readonly port: number
  readonly fingerprint: string
  readonly requests: readonly NotedRequest[]
}

/** All exchanges of the recording `sessions/<name>.json`, in the order of the recording. */
export function readRecording(name: string): readonly RecordedExchange[] {
  const connections = JSON.parse(readFileSync(fixturePath('sessions', `${name}.json`), 'utf8'))
  const exchanges: RecordedExchange[] = []
  for (const [index, connection] of connections.entries()) {
    for (const { request, response } of connection.http1) {
      const { path, query } = splitTarget(request.target)
      exchanges.push(exchange(index, { ...request, path, query }, response))
    }
    for (const { request, response } of connection.http2?.streams ?? []) {
      exchanges.push(exchange(index, request, response ?? { status: 0, body: null }))
    }
  }
  return exchanges
}

/** Bytes of a recorded body. */
export function bodyBytes(body: RecordedBody | null | undefined): Buffer {
  if (body === null || body === undefined) return Buffer.alloc(0)
  if (body.json !== undefined) return Buffer.from(JSON.stringify(body.json))
  if (body.text !== undefined) return Buffer.from(body.text)
  if (body.hex !== undefined) return Buffer.from(body.hex, 'hex')
  return readFileSync(fixturePath('sessions/bodies', String(body.sha256)))
}

/** Starts a server that plays `recording`. */
export async function playRecording(
  recording: readonly RecordedExchange[],
): Promise<RecordedServer> {
  const { keyPem, certificatePem } = await testCertificate()
  const requests: NotedRequest[] = []
  const answers = new AnswerBook(recording)
  let connectionCount = 0
  const server = createServer({ key: keyPem, cert: certificatePem }, (request, response) => {
    void collect(request).then((body) => {
      const noted = noteHttp1(request, body, connectionCount++)
      requests.push(noted)
      const answer = answers.find(noted)
      response.writeHead(answer.status, { 'content-type': 'application/json;charset=UTF-8' })
      response.end(answer.body)
    })
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const connection = connectionCount++
    const noted = noteHttp1(request, Buffer.alloc(0), connection)
    requests.push(noted)
    const answer = answers.find(noted)
    if (answer.status !== 101) {
      socket.end(
        `HTTP/1.1 ${answer.status} Refused\r\ncontent-length: ${answer.body.length}\r\n\r\n${answer.body.toString()}`,
      )
      return
    }
    const limits = { streamWindow: 32 << 20, streamsMax: 200, sessionMemoryMb: 1024 }
    const options = { protocol: String(request.headers.upgrade), limits, now: 0 }
    void acceptHttp2(socket, head, options).then((session) => {
      session.on('error', () => {})
      session.on('stream', (stream, headers) => {
        stream.on('error', () => {})
        void answerStream(stream, headers, { connection, requests, answers })
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    fingerprint: certificateFingerprint(certificatePem),
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function answerStream(
  stream: ServerHttp2Stream,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  state: { connection: number; requests: NotedRequest[]; answers: AnswerBook },
): Promise<void> {
  const { path, query } = splitTarget(String(headers[':path']))
  const plain = Object.entries(headers).map(([name, value]) => [name, String(value)])
  const index = state.requests.length
  const noted = {
    connection: state.connection,
    method: String(headers[':method']),
    path,
    query,
    headers: Object.fromEntries(plain),
    body: Buffer.alloc(0),
  }
  state.requests.push(noted)
  const body = await collect(stream)
  state.requests[index] = { ...noted, body }
  const answer = state.answers.find(noted)
  stream.respond({ ':status': answer.status, 'content-type': 'application/json;charset=UTF-8' })
  stream.end(answer.body)
}

/** Finds the recorded answer of a request by what names its subject. */
class AnswerBook {
  readonly #answers = new Map<string, { status: number; body: Buffer }>()

  constructor(recording: readonly RecordedExchange[]) {
    for (const { request, status, body } of recording) {
      this.#answers.set(keyOf(request), { status, body })
    }
  }

  find(request: NotedRequest): { status: number; body: Buffer } {
    const known = this.#answers.get(keyOf(request))
    return known ?? { status: 200, body: Buffer.from('{"data":null}') }
  }
}

/** Parameters that decide the answer. */
const SUBJECTS: readonly string[] = ['archive-name', 'file-name', 'digest']

function keyOf({ method, path, query }: NotedRequest): string {
  const subjects = query.filter(([name]) => SUBJECTS.includes(name)).map((pair) => pair.join('='))
  return [method, path, ...subjects].join(' ')
}

function noteHttp1(request: IncomingMessage, body: Buffer, connection: number): NotedRequest {
  const { path, query } = splitTarget(request.url ?? '')
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)])
  const method = request.method ?? ''
  return { connection, method, path, query, headers: Object.fromEntries(headers), body }
}

function splitTarget(target: string): Pick<NotedRequest, 'path' | 'query'> {
  const [path = '', search = ''] = target.split('?')
  return { path, query: [...new URLSearchParams(search)] }
}

function exchange(
  connection: number,
  request: {
    method: string
    path: string
    query: readonly (readonly [string, string])[]
    headers: readonly (readonly [string, string])[]
    body: RecordedBody | null
  },
  response: { status: number | string; body: RecordedBody | null },
): RecordedExchange {
  const { method, path, query, headers } = request
  return {
    request: {
      connection,
      method,
      path,
      query,
      headers: Object.fromEntries(headers),
      body: bodyBytes(request.body),
    },
    status: Number(response.status),
    body: bodyBytes(response.body),
  }
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}
