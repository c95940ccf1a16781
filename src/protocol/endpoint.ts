/** One call of the API as a declaration: method, path, shapes, who may (rest-api §3.3). */
import type { TObject, TSchema } from 'typebox'

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE'

/**
 * Who may call, decided before the parameters are looked at.
 * - `world`: everybody, credentials are ignored
 * - `authenticated`: every valid caller; the handler checks the rest itself
 * - `superuser`: root@pam by ticket only
 * - `privilege`: on `path` (with `{name}` of path parameters), all or any of `privileges`
 * - `self`: the path parameter `parameter` is the caller's own auth id
 * - `any`: one of several suffices
 */
export type Permission =
  | { readonly kind: 'world' }
  | { readonly kind: 'authenticated' }
  | { readonly kind: 'superuser' }
  | {
      readonly kind: 'privilege'
      readonly path: string
      readonly privileges: readonly string[]
      readonly mode: 'all' | 'any'
    }
  | { readonly kind: 'self'; readonly parameter: string }
  | { readonly kind: 'any'; readonly of: readonly Permission[] }

/**
 * How a call speaks (rest-api §1.4, §1.7).
 * - `json`: parameters from body, query and path; enveloped answer
 * - `raw`: parameters from query and path only, content type ignored; the body is data
 */
export type EndpointKind = 'json' | 'raw'

export interface Endpoint<Parameters extends TObject = TObject, Result extends TSchema = TSchema> {
  readonly method: Method
  /** Path below `/api2/{format}` with `{name}` for parameters: `/admin/datastore/{store}/groups`. */
  readonly path: string
  /** One sentence for the API description. */
  readonly summary: string
  readonly parameters: Parameters
  /** Shape of the `data` member, or of the stream's meaning. */
  readonly returns: Result
  readonly permission: Permission
  /** `json` when absent. */
  readonly kind?: EndpointKind
  /** Of our own among calls of stock: directory nodes, which peers know, do not list it. */
  readonly isUnlisted?: boolean
}

export const WORLD: Permission = { kind: 'world' }
export const AUTHENTICATED: Permission = { kind: 'authenticated' }
export const SUPERUSER: Permission = { kind: 'superuser' }

/** All of `privileges` on `path`. */
export function privilege(path: string, ...privileges: readonly string[]): Permission {
  return { kind: 'privilege', path, privileges, mode: 'all' }
}

/** Any of `privileges` on `path`. */
export function anyPrivilege(path: string, ...privileges: readonly string[]): Permission {
  return { kind: 'privilege', path, privileges, mode: 'any' }
}

/** A privilege, or being the user the path names. */
export function orSelf(permission: Permission, parameter = 'userid'): Permission {
  return { kind: 'any', of: [permission, { kind: 'self', parameter }] }
}
