/** The request that opens a session: its checks in order (backup-protocol.md 2.5, 2.6), its refusal on HTTP/1.1. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Static, TObject } from 'typebox'
import { errorChain } from '../../base/errors.ts'
import type { NamespacePath } from '../../formats/namespace.ts'
import { namespaceComponents, parseNamespace } from '../../formats/namespace.ts'
import { parseBackupId, parseBackupType, type SnapshotRef } from '../../formats/names.ts'
import { parseQueryParameters } from '../../protocol/request-parameters.ts'
import { noteCaller } from '../access-log.ts'
import { authenticate, authRequestOf, type Caller } from '../auth/authenticate.ts'
import type { ServerContext } from '../context.ts'
import { EXPIRED_COOKIE, replyText, statusOf } from '../error-reply.ts'
import { refused } from '../errors.ts'
import { JSON_CONTENT_TYPE } from '../reply.ts'
import { parseRequestPath, splitUrl } from '../request-path.ts'

export type SessionKind = 'backup' | 'reader'

/** Which session `request` asks for by its path; null for every other request. */
export function sessionKindOf(request: IncomingMessage): SessionKind | null {
  if (request.method !== 'GET') return null
  const path = parseRequestPath(request.url ?? '')
  if (path.kind !== 'api') return null
  if (path.path === '/backup') return 'backup'
  return path.path === '/reader' ? 'reader' : null
}

/** Steps 2 and 3: who asks, for what. Errors: AUTHENTICATION_FAILED (401, after 3 s), those of the schema. */
export async function readUpgrade<Schema extends TObject>(
  context: ServerContext,
  request: IncomingMessage,
  schema: Schema,
): Promise<{ readonly caller: Caller; readonly parameters: Static<Schema> }> {
  const caller = await authenticate(context.auth, authRequestOf(request))
  noteCaller(request, caller.authId)
  const { query } = splitUrl(request.url ?? '')
  return { caller, parameters: parseQueryParameters(schema, { query }) }
}

export interface SnapshotParameters {
  readonly store: string
  readonly ns?: string
  readonly 'backup-type': string
  readonly 'backup-id': string
  readonly 'backup-time': number
}

export interface SessionTarget {
  readonly ns: NamespacePath
  readonly ref: SnapshotRef
  /** Path of the privileges. */
  readonly aclPath: string
}

/** Step 4: the names behind the parameters. */
export function targetOf(parameters: SnapshotParameters): SessionTarget {
  const ns = parseNamespace(parameters.ns ?? '')
  const ref = {
    type: parseBackupType(parameters['backup-type']),
    id: parseBackupId(parameters['backup-id']),
    time: parameters['backup-time'],
  }
  const components = [parameters.store, ...namespaceComponents(ns)]
  return { ns, ref, aclPath: `/datastore/${components.join('/')}` }
}

/** Steps 8 and 9: the header names the protocol. */
export function checkUpgradeHeader(request: IncomingMessage, protocol: string): void {
  const { upgrade } = request.headers
  if (upgrade === undefined) throw refused('missing Upgrade header')
  if (upgrade !== protocol) throw refused('invalid protocol name')
}

/** Address of the client as task logs show it; empty if it is unknown. */
export function peerAddress(request: IncomingMessage): string {
  const { remoteAddress } = request.socket
  if (remoteAddress === undefined) return ''
  // As the stock server's dual-stack listener sees an IPv4 client.
  return remoteAddress.includes(':') ? remoteAddress : `::ffff:${remoteAddress}`
}

/** An answer to a request that opens no session. */
export interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** `error` as an answer before the 101: the text alone, with a content type unless it is a 401. */
export function refusalOf(context: ServerContext, error: unknown): Refusal {
  const status = statusOf(error)
  if (status >= 500) context.log.error('session not begun', { error: errorChain(error) })
  const body = Buffer.from(replyText(error))
  const headers: Record<string, string> =
    status === 401 ? { 'set-cookie': EXPIRED_COOKIE } : { 'content-type': JSON_CONTENT_TYPE }
  return { status, headers: { ...headers, 'content-length': String(body.length) }, body }
}

/** Writes a refusal onto a socket whose parser is gone already, and ends it. */
export function writeRefusal(socket: Duplex, refusal: Refusal, now: number): void {
  if (socket.destroyed || !socket.writable) return
  const head = [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}`,
    ...Object.entries(refusal.headers).map(([name, value]) => `${name}: ${value}`),
    `date: ${new Date(now).toUTCString()}`,
    'connection: close',
    '\r\n',
  ].join('\r\n')
  socket.end(Buffer.concat([Buffer.from(head, 'latin1'), refusal.body]))
  // What the client still sends must be read, or its close resets our answer away.
  socket.resume()
}

/** Answers a refusal to an ordinary request. */
export function sendRefusal(response: ServerResponse, refusal: Refusal): void {
  response.writeHead(refusal.status, refusal.headers)
  response.end(refusal.body)
}
