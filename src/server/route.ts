/** A declared endpoint together with the function that serves it. */
import type { IncomingMessage } from 'node:http'
import type { Static, TObject, TSchema } from 'typebox'
import type { OperationKind } from '../datastore/active-operations.ts'
import type { Datastore } from '../datastore/datastore.ts'
import type { Endpoint } from '../protocol/endpoint.ts'
import type { Caller } from './auth/authenticate.ts'
import type { ServerContext } from './context.ts'

/** One request on its way through a handler. */
export interface Call {
  readonly context: ServerContext
  /** Who asks; `NOBODY` on world endpoints. */
  readonly caller: Caller
  /** The request itself: for headers, the peer's address and the bodies of uploads. */
  readonly request: IncomingMessage
  /**
   * The datastore, counted among its active operations until the answer is out. A task that the call starts counts
   * itself, before the call has ended. Errors: those of DatastoreRegistry.use.
   */
  readonly use: (store: string, kind: OperationKind) => Promise<Datastore>
}

/** A route whose parameter type is forgotten, as tables of routes hold them. */
export interface Route extends Endpoint {
  readonly run: (parameters: never, call: Call) => Promise<unknown>
}

interface TypedRoute<Parameters extends TObject, Result extends TSchema>
  extends Endpoint<Parameters, Result> {
  readonly run: (parameters: Static<Parameters>, call: Call) => Promise<unknown>
}

/** The caller of endpoints that ignore credentials. */
export const NOBODY: Caller = Object.freeze({
  authId: '',
  user: '',
  token: null,
  superuser: false,
})

/** Ties the handler's parameter type to its schema. */
export function route<Parameters extends TObject, Result extends TSchema>(
  definition: TypedRoute<Parameters, Result>,
): Route {
  return definition
}
