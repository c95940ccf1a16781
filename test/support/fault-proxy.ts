/**
 * A TLS proxy in front of an S3 server that does by plan, or by seed, what bad networks and overloaded stores do:
 * delays, cuts before, within and after a body, requests that are sent twice or executed after their caller gave up,
 * refusals, answers that are swallowed or damaged (races.md R-60).
 */
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { Agent, createServer, request as sendRequest } from 'node:https'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { certificateFingerprint } from '../../src/transport/tls.ts'
import { testCertificate } from './certificate.ts'

export type Fault =
  /** Passed on after a while. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** The connection is reset when the head of the request came; nothing is passed on. */
  | { readonly kind: 'cut-before' }
  /** Reset in the middle of the request's body; nothing is passed on. */
  | { readonly kind: 'cut-request' }
  /** Executed, then reset without an answer. */
  | { readonly kind: 'swallow' }
  /** Reset without an answer; executed after `delayMs`. */
  | { readonly kind: 'late'; readonly delayMs: number }
  /** Executed; reset in the middle of the answer's body, or before it if there is none. */
  | { readonly kind: 'cut-answer' }
  /** Executed twice; the second answer is passed on. */
  | { readonly kind: 'twice' }
  /** Not executed; answered by us. */
  | {
      readonly kind: 'status'
      readonly status: number
      readonly code: string
      readonly retryAfter?: string
    }
  /** Executed; one bit of the answer's body is another. */
  | { readonly kind: 'flip' }
  /** Executed; no answer, and the connection stays. */
  | { readonly kind: 'hang' }
  /** A PUT is answered as done and is not: what no client can survive, for tests of tests. */
  | { readonly kind: 'lie' }

export type FaultKind = Fault['kind']

export interface ProxiedRequest {
  readonly method: string
  /** Path and query, as sent. */
  readonly path: string
}

export interface FaultProxy extends AsyncDisposable {
  readonly host: string
  readonly port: number
  readonly fingerprint: string
  /** All requests so far. */
  readonly requestCount: number
  /** Faults that were played, by kind. */
  readonly played: ReadonlyMap<FaultKind, number>
  /** The next request that `matches` meets `fault`; plans go before rates. */
  plan(matches: (request: ProxiedRequest) => boolean, fault: Fault): void
  /** Of all other requests this part meets a fault, drawn by the seed; 0: none any more. */
  setRate(rate: number, faults: readonly Fault[]): void
  /** All plans were used, and what was to be executed late has been. */
  settled(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface FaultProxyOptions {
  /** Where the store listens (TLS; whatever its certificate). */
  readonly target: { readonly host: string; readonly port: number }
  readonly seed: number
}

export async function startFaultProxy({ target, seed }: FaultProxyOptions): Promise<FaultProxy> {
  const pair = await testCertificate()
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false, maxSockets: 256 })
  const random = makeRandom(seed)
  const plans: { matches: (request: ProxiedRequest) => boolean; fault: Fault }[] = []
  const played = new Map<FaultKind, number>()
  const late = new Set<Promise<unknown>>()
  let rate = 0
  let faults: readonly Fault[] = []
  let requestCount = 0
  const server = createServer(
    { cert: pair.certificatePem, key: pair.keyPem },
    (request, response) => {
      requestCount += 1
      const fault = choose({ method: request.method ?? '', path: request.url ?? '' })
      if (fault !== null) played.set(fault.kind, (played.get(fault.kind) ?? 0) + 1)
      const exchange = { request, response, send, remember, random }
      const { socket } = request
      play(exchange, fault).catch(() => socket.destroy())
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  function choose(request: ProxiedRequest): Fault | null {
    const index = plans.findIndex(({ matches }) => matches(request))
    if (index >= 0) return plans.splice(index, 1)[0]?.fault ?? null
    if (random() >= rate) return null
    return faults[Math.floor(random() * faults.length)] ?? null
  }

  function send(request: IncomingMessage, body: Buffer): Promise<Answer> {
    const { method = '', url = '', headers } = request
    return forward({ ...target, agent, method, path: url, headers }, body)
  }

  function remember(work: Promise<unknown>): void {
    const kept = work.catch(() => {}).finally(() => late.delete(kept))
    late.add(kept)
  }

  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    fingerprint: certificateFingerprint(pair.certificatePem),
    get requestCount() {
      return requestCount
    },
    played,
    plan: (matches, fault) => void plans.push({ matches, fault }),
    setRate: (newRate, newFaults) => {
      rate = newRate
      faults = newFaults
    },
    async settled() {
      if (plans.length > 0) throw new Error(`not played: ${plans[0]?.fault.kind}`)
      while (late.size > 0) await Promise.all(late)
    },
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      while (late.size > 0) await Promise.all(late)
      agent.destroy()
    },
  }
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly send: (request: IncomingMessage, body: Buffer) => Promise<Answer>
  readonly remember: (work: Promise<unknown>) => void
  readonly random: () => number
}

async function play(exchange: Exchange, fault: Fault | null): Promise<void> {
  const { request, response, send, remember } = exchange
  if (fault?.kind === 'cut-before') return void request.socket.destroy()
  if (fault?.kind === 'cut-request') return await cutRequest(request)
  const body = await collect(request)
  switch (fault?.kind) {
    case 'status':
      return refuse(response, fault)
    case 'lie':
      if (request.method !== 'PUT') break
      return void response.writeHead(200, { etag: md5Of(body) }).end()
    case 'late':
      remember(sleep(fault.delayMs).then(async () => await send(request, body)))
      return void request.socket.destroy()
    case 'delay':
      await sleep(fault.delayMs)
      break
    case 'twice':
      await send(request, body)
      break
  }
  const answer = await send(request, body)
  switch (fault?.kind) {
    case 'swallow':
      return void request.socket.destroy()
    case 'hang':
      return
    case 'cut-answer':
      return cutAnswer(exchange, answer)
    case 'flip':
      return reply(response, { ...answer, body: flipBit(answer.body, exchange.random) })
    default:
      return reply(response, answer)
  }
}

function md5Of(body: Buffer): string {
  return `"${hash('md5', body)}"`
}

async function collect(stream: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

async function cutRequest(request: IncomingMessage): Promise<void> {
  const size = Number(request.headers['content-length'] ?? 0)
  // Leaving the loop takes the socket from the request, and leaves it open.
  const { socket } = request
  let received = 0
  for await (const piece of request) {
    received += (piece as Buffer).length
    if (received >= size / 2) break
  }
  socket.destroy()
}

function cutAnswer({ request, response }: Exchange, { status, headers, body }: Answer): void {
  if (body.length === 0) return void request.socket.destroy()
  response.writeHead(status, headers)
  response.write(body.subarray(0, body.length >> 1), () => request.socket.destroy())
}

function refuse(
  response: ServerResponse,
  { status, code, retryAfter }: Fault & { readonly kind: 'status' },
): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>by plan</Message><RequestId>planned</RequestId></Error>`
  const isHead = response.req.method === 'HEAD'
  const asked = retryAfter === undefined ? {} : { 'retry-after': retryAfter }
  const headers = { ...asked, 'x-amz-request-id': 'planned', 'content-type': 'application/xml' }
  response.writeHead(status, headers).end(isHead ? undefined : body)
}

function reply(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, headers).end(response.req.method === 'HEAD' ? undefined : body)
}

function flipBit(body: Buffer, random: () => number): Buffer {
  if (body.length === 0) return body
  const index = Math.floor(random() * body.length)
  const flipped = Buffer.from(body)
  flipped[index] = (flipped[index] ?? 0) ^ 1
  return flipped
}

interface Target {
  readonly host: string
  readonly port: number
  readonly agent: Agent
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

async function forward(target: Target, body: Buffer): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    // The signature covers the name of the host: it goes on as it came.
    const outgoing = sendRequest(target)
    outgoing.end(body)
    try {
      const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
      return {
        status: answer.statusCode ?? 0,
        headers: answer.headers,
        body: await collect(answer),
      }
    } catch (error) {
      // The store closed a kept connection in the same moment: no fault that anybody planned.
      if (!outgoing.reusedSocket || attempt > 3) throw error
    }
  }
}

/** Numbers from 0 to 1 that follow from `seed` (mulberry32). */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
