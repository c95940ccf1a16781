/** Calls of an upgraded connection: the table, and the way of one request through it (backup-protocol.md 3). */
import { STATUS_CODES } from 'node:http'
import type { Static, TObject } from 'typebox'
import { errorChain } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Method } from '../../protocol/endpoint.ts'
import { parseParameters, parseQueryParameters } from '../../protocol/request-parameters.ts'
import { replyText, statusOf } from '../error-reply.ts'
import { errors, refused } from '../errors.ts'
import type { Exchange, SessionReply } from './exchange.ts'

/** One call; `State` is the session it belongs to. */
export interface SessionCall<State> {
  readonly method: Method
  /** Without slash: `fixed_chunk`. */
  readonly name: string
  /** `query`: the body is data. `rest`: parameters may lie in the body, too. */
  readonly source: 'query' | 'rest'
  readonly parameters: TObject
  readonly run: (state: State, parameters: never, exchange: Exchange) => Promise<SessionReply>
}

interface TypedCall<State, Parameters extends TObject> extends SessionCall<State> {
  readonly parameters: Parameters
  readonly run: (
    state: State,
    parameters: Static<Parameters>,
    exchange: Exchange,
  ) => Promise<SessionReply>
}

/** Ties a call's parameter type to its schema. */
export function sessionCall<State, Parameters extends TObject>(
  definition: TypedCall<State, Parameters>,
): SessionCall<State> {
  return definition
}

/** What requests of one connection are served with. */
export interface SessionCalls<State> {
  readonly state: State
  readonly calls: readonly SessionCall<State>[]
  /** Lines of the task log; every request is one when the client asked for `debug`. */
  readonly log: (line: string) => void
  readonly isDebug: boolean
  readonly diagnostics: Log
}

/** Serves one request; never rejects. */
export async function serveExchange<State>(
  session: SessionCalls<State>,
  exchange: Exchange,
): Promise<void> {
  const name = normalisedPath(exchange.rawPath)
  const title = `${exchange.method} ${name === null || name === '' ? '' : `/${name}`}`
  if (session.isDebug) session.log(title)
  let typed = false
  try {
    if (name === null) throw refused('path contains illegal components')
    const isTyped = (): void => {
      typed = true
    }
    const reply = await route(session, exchange, { name, isTyped })
    await sendWhole(exchange, reply)
  } catch (error) {
    const status = statusOf(error)
    const text = replyText(error)
    if (status >= 500) session.diagnostics.error('call failed', { title, error: errorChain(error) })
    session.log(`${title}: ${status} ${STATUS_CODES[status] ?? ''}: ${text}`)
    exchange.sendError({ status, text, typed })
  }
}

/** A source that fails in the middle ends the stream with a reset; the client sees no whole answer. */
async function sendWhole(exchange: Exchange, reply: SessionReply): Promise<void> {
  try {
    await exchange.send(reply)
  } catch (error) {
    exchange.reset()
    throw error
  }
}

async function route<State>(
  session: SessionCalls<State>,
  exchange: Exchange,
  { name, isTyped }: { readonly name: string; readonly isTyped: () => void },
): Promise<SessionReply> {
  if (exchange.method === 'GET' && name === '') return listing(session.calls)
  const call = session.calls.find((one) => one.name === name && one.method === exchange.method)
  if (call === undefined) {
    isTyped()
    throw errors.PATH_UNKNOWN({ path: `/${name}` })
  }
  const parameters = await readParameters(call, exchange)
  isTyped()
  return await call.run(session.state, parameters as never, exchange)
}

async function readParameters(call: SessionCall<never>, exchange: Exchange): Promise<unknown> {
  const { query, contentType } = exchange
  if (call.source === 'query') return parseQueryParameters(call.parameters, { query })
  const body = await exchange.readParameters()
  return parseParameters(call.parameters, { query, contentType, body })
}

function listing(calls: readonly { readonly name: string }[]): SessionReply {
  const names = [...new Set(calls.map(({ name }) => name))].toSorted()
  return { kind: 'data', value: names.map((subdir) => ({ subdir })) }
}

/** Components joined, empty ones dropped; null if one begins with a dot (2.2). */
function normalisedPath(path: string): string | null {
  const parts = path.split('/').filter((part) => part !== '')
  return parts.some((part) => part.startsWith('.')) ? null : parts.join('/')
}
