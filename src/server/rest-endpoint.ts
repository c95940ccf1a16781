/**
 * A route's life (rest-api §1.9): authenticate, permit, read the parameters, run, encode. Nothing
 * of this happens in a handler.
 */
import type { FastifyRequest } from 'fastify'
import type { TObject } from 'typebox'
import { runAs } from '../base/async/current-operation.ts'
import { CairnError, toError } from '../base/errors.ts'
import type { Permission } from '../protocol/endpoint.ts'
import {
  PARAMETER_BODY_SIZE_MAX,
  parseParameters,
  parseQueryParameters,
} from '../protocol/request-parameters.ts'
import { noteCaller } from './access-log.ts'
import { authenticate, authRequestOf, type Caller } from './auth/authenticate.ts'
import type { ServerContext } from './context.ts'
import { errorReply, EXPIRED_COOKIE, replyText, statusOf } from './error-reply.ts'
import { errors } from './errors.ts'
import { loggedUrl } from './logged-url.ts'
import { isPermitted } from './permission-check.ts'
import { readBody } from './read-body.ts'
import { type OutputFormat, plainReply, successReply, type WireReply } from './reply.ts'
import { splitUrl } from './request-path.ts'
import { type Call, NOBODY, type Route } from './route.ts'

/** A failed authentication answers no faster than this (rest-api §1.3). */
const UNAUTHORISED_DELAY_MS = 3000
/** Likewise a missing declared permission. */
const DENIED_DELAY_MS = 500

/** A route at one place of the router. */
export interface MountedRoute {
  readonly context: ServerContext
  readonly route: Route
  readonly format: OutputFormat
  /** Names of the path parameters in the order of the path. */
  readonly names: readonly string[]
}

/** Answers `request` by its route; never throws. */
export async function serveRoute(
  mounted: MountedRoute,
  request: FastifyRequest,
): Promise<WireReply> {
  const { context, route, format } = mounted
  const startedAt = context.clock.monotonic()
  let insideHandler = false
  using uses = new DisposableStack()
  try {
    const path = pathParameters(mounted.names, request)
    const caller = await identify(context, route.permission, request)
    if (caller instanceof Error) return await unauthorised(context, caller, startedAt)
    if (!(await isPermitted(context, caller, route.permission, path))) {
      await waitUntil(context, startedAt + DENIED_DELAY_MS)
      throw errors.PERMISSION_DENIED({})
    }
    const parameters = await readParameters(route, request, path)
    insideHandler = true
    const use: Call['use'] = async (store, kind) =>
      uses.use(await context.datastores.use(store, kind)).store
    const call: Call = { context, caller, request: request.raw, use }
    const name = `${route.method} ${route.path} by ${caller.authId}`
    const result = await runAs(name, async () => await route.run(parameters as never, call))
    const wire = await successReply(format, result)
    return wire.body instanceof Uint8Array ? wire : { ...wire, held: uses.move() }
  } catch (error) {
    logInternal(context, request, error)
    if (statusOf(error) === 401) await waitUntil(context, startedAt + UNAUTHORISED_DELAY_MS)
    return errorReply(format, error, { compressible: insideHandler })
  }
}

/** Answers a path or method that nobody serves: what exists is only told to known callers. */
export async function serveUnknown(
  context: ServerContext,
  format: OutputFormat,
  request: FastifyRequest,
): Promise<WireReply> {
  const startedAt = context.clock.monotonic()
  const caller = await identify(context, { kind: 'authenticated' }, request)
  if (caller instanceof Error) return await unauthorised(context, caller, startedAt)
  const { path } = splitUrl(request.originalUrl)
  return errorReply(format, errors.PATH_UNKNOWN({ path }), { compressible: false })
}

async function identify(
  context: ServerContext,
  permission: Permission,
  request: FastifyRequest,
): Promise<Caller | Error> {
  if (permission.kind === 'world') return NOBODY
  try {
    const caller = await authenticate(context.auth, authRequestOf(request.raw))
    noteCaller(request.raw, caller.authId)
    return caller
  } catch (error) {
    if (error instanceof CairnError && statusOf(error) === 401) return error
    throw error
  }
}

/** Above the formatter: bare 401 in both formats. */
async function unauthorised(
  context: ServerContext,
  error: Error,
  startedAt: number,
): Promise<WireReply> {
  await waitUntil(context, startedAt + UNAUTHORISED_DELAY_MS)
  return plainReply(401, replyText(error), { 'set-cookie': EXPIRED_COOKIE })
}

async function readParameters(
  route: Route,
  request: FastifyRequest,
  path: Readonly<Record<string, string>>,
): Promise<unknown> {
  const schema: TObject = route.parameters
  const { query } = splitUrl(request.originalUrl)
  if (route.kind === 'raw') return parseQueryParameters(schema, { query, path })
  const contentType = request.headers['content-type']
  const body = await readBody(request.raw, PARAMETER_BODY_SIZE_MAX)
  return parseParameters(schema, { contentType, query, body, path })
}

function pathParameters(
  names: readonly string[],
  request: FastifyRequest,
): Readonly<Record<string, string>> {
  const values = request.params as Readonly<Record<string, string>>
  return Object.fromEntries(names.map((name, index) => [name, values[`p${index}`] ?? '']))
}

async function waitUntil({ clock }: ServerContext, time: number): Promise<void> {
  const leftMs = time - clock.monotonic()
  if (leftMs > 0) await clock.sleep(leftMs)
}

/** Failures of ours, which the client only sees as "internal error". */
function logInternal({ log }: ServerContext, request: FastifyRequest, error: unknown): void {
  if (statusOf(error) < 500 || statusOf(error) === 501) return
  const { message, stack } = toError(error)
  const url = loggedUrl(request.url)
  log.error('request failed', { method: request.method, url, message, stack })
}
