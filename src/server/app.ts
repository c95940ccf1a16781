/**
 * The HTTP application: Fastify as router and carrier, our own parameters, envelopes and errors.
 * Sockets are not its business: `listener.ts` hands them to the server made here.
 */
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http'
import type { Socket } from 'node:net'
import Fastify, {
  type ConnectionError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import type { AccessLog } from './access-log.ts'
import type { ServerContext } from './context.ts'
import { OpenRequests } from './open-requests.ts'
import { describeApi } from './openapi.ts'
import { jsonBytes, type OutputFormat, plainReply, type WireReply } from './reply.ts'
import { normalisedUrl, parseRequestPath } from './request-path.ts'
import { type MountedRoute, serveRoute, serveUnknown } from './rest-endpoint.ts'
import type { Route } from './route.ts'
import { dropEmptyContentType, sendReply } from './send-reply.ts'
import { welcomePage } from './welcome-page.ts'

const FORMATS: readonly OutputFormat[] = ['json', 'extjs']

/** The longest path parameter; the whole URL is bounded by `request-path.ts`. */
const PARAMETER_SIZE_MAX = 3072
/** Header block past which the answer is 431 (rest-api §1.1). */
const HEADERS_SIZE_MAX = 400 * 1024
const HEADER_COUNT_MAX = 100
/** How long an idle connection is kept; monitoring polls every minute or so. */
const KEEP_ALIVE_MS = 75_000
/** How long a request's headers may take once it has begun. */
const HEADERS_TIMEOUT_MS = 60_000

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route behind a Fastify route; absent on the pages beside the API. */
    mounted?: MountedRoute
  }
}

export interface App {
  readonly fastify: FastifyInstance
  /** Carries requests; not listening. */
  readonly httpServer: Server
  /** Requests that are being answered. */
  readonly requests: OpenRequests
  /** From now on each connection ends with its answer. */
  endKeepAlive(): void
}

export interface AppOptions {
  readonly routes: readonly Route[]
  /** Sees each request first and says whether it has answered it (the session paths). */
  readonly handleFirst?: (request: IncomingMessage, response: ServerResponse) => boolean
  readonly accessLog?: AccessLog
}

/** An application ready for requests. */
export async function createApp(context: ServerContext, options: AppOptions): Promise<App> {
  let httpServer: Server | null = null
  const requests = new OpenRequests()
  let isEnding = false
  const fastify = Fastify({
    exposeHeadRoutes: false,
    // Closing is ours: the listener knows the connections, Fastify's server never listens.
    forceCloseConnections: false,
    routerOptions: { maxParamLength: PARAMETER_SIZE_MAX, caseSensitive: true },
    clientErrorHandler: refuseBadRequest,
    schemaController: { compilersFactory: NO_COMPILERS },
    rewriteUrl: (request) => normalisedUrl(request.url ?? '/'),
    serverFactory: (handler) => {
      httpServer = createServer(serverOptions, (request, response) => {
        requests.track(response)
        if (isEnding) response.shouldKeepAlive = false
        if (options.handleFirst?.(request, response) !== true) handler(request, response)
      })
      return httpServer
    },
  })
  prepare(fastify)
  const { accessLog } = options
  fastify.addHook('onResponse', async (request, reply) => {
    const size = Number(reply.getHeader('content-length') ?? 0)
    accessLog?.write(request.raw, { path: request.originalUrl, status: reply.statusCode, size })
  })
  mountRoutes(fastify, context, options.routes)
  mountPages(fastify, context, options.routes)
  await fastify.ready()
  if (httpServer === null) throw new Error('assertion failed: no server was made')
  const endKeepAlive = (): void => {
    isEnding = true
  }
  return { fastify, httpServer, requests, endKeepAlive }
}

const serverOptions = {
  maxHeaderSize: HEADERS_SIZE_MAX,
  keepAliveTimeout: KEEP_ALIVE_MS,
  headersTimeout: HEADERS_TIMEOUT_MS,
  // Uploads of a blob over a slow line take as long as they take.
  requestTimeout: 0,
  requireHostHeader: false,
  noDelay: true,
}

/** Endpoints check parameters by themselves: Fastify's validator would only be loaded, 150 modules. */
const NO_COMPILERS = { buildValidator: noCompiler, buildSerializer: noCompiler }

function noCompiler(): never {
  throw new Error('assertion failed: no route gives Fastify a schema')
}

/** What is not HTTP, or too much of it: a bare status, as stock answers (rest-api §1.1). */
function refuseBadRequest(error: ConnectionError, socket: Socket): void {
  if (!socket.writable || socket.destroyed) return
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400
  const reason = STATUS_CODES[status] ?? ''
  socket.end(`HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

function prepare(fastify: FastifyInstance): void {
  // Bodies are read by the endpoint, after authentication and with its own limit.
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  fastify.addHook('onRequest', refuseEarly)
  fastify.addHook('onSend', dropEmptyContentType)
  fastify.setErrorHandler(async (error, request, reply) => {
    // Fastify refuses a malformed content type by itself; ours comes later and says which.
    const { mounted } = request.routeOptions.config
    const malformed = (error as { code?: unknown }).code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE'
    if (mounted !== undefined && malformed) {
      return await sendReply(request, reply, await serveRoute(mounted, request))
    }
    return await sendReply(request, reply, plainReply(500, 'internal error'))
  })
}

/** Checks that come before authentication and routing (rest-api §1.9, step 1). */
async function refuseEarly(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  if (request.raw.rawHeaders.length / 2 > HEADER_COUNT_MAX) {
    return await sendReply(request, reply, plainReply(431, '', { connection: 'close' }))
  }
  const path = parseRequestPath(request.originalUrl)
  if (path.kind === 'refused') {
    return await sendReply(request, reply, plainReply(path.status, path.text))
  }
  if (path.kind === 'file' && request.method !== 'GET') {
    return await sendReply(request, reply, plainReply(400, 'invalid http method for path'))
  }
  return undefined
}

function mountRoutes(
  fastify: FastifyInstance,
  context: ServerContext,
  routes: readonly Route[],
): void {
  for (const route of routes) {
    const { url, names } = routerPath(route.path)
    for (const format of FORMATS) {
      const mounted: MountedRoute = { context, route, format, names }
      fastify.route({
        method: route.method,
        url: `/api2/${format}${url}`,
        config: { mounted },
        handler: async (request, reply) =>
          await sendReply(request, reply, await serveRoute(mounted, request)),
      })
    }
  }
}

/**
 * `/nodes/{node}/tasks/{upid}` as `/nodes/:p0/tasks/:p1`: the router would split names with a
 * hyphen.
 */
function routerPath(path: string): { readonly url: string; readonly names: readonly string[] } {
  const names: string[] = []
  const url = path.replace(/\{([^}]+)\}/g, (_, name: string) => {
    names.push(name)
    return `:p${names.length - 1}`
  })
  return { url: url === '/' ? '' : url, names }
}

function mountPages(
  fastify: FastifyInstance,
  context: ServerContext,
  routes: readonly Route[],
): void {
  const description = jsonBytes(describeApi(routes, context.version))
  page(fastify, '/openapi.json', () => ({
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: description,
    compressible: true,
  }))
  page(fastify, '/', () => welcomePage(context))
  fastify.setNotFoundHandler(async (request, reply) => {
    const path = parseRequestPath(request.originalUrl)
    const wire =
      path.kind === 'api'
        ? await serveUnknown(context, path.format, request)
        : plainReply(404, `no such file: '${path.kind === 'file' ? path.path : ''}'`)
    return await sendReply(request, reply, wire)
  })
}

function page(fastify: FastifyInstance, url: string, content: () => WireReply): void {
  fastify.get(url, async (request, reply) => await sendReply(request, reply, content()))
}
