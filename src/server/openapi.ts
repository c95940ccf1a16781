/** The API description (OpenAPI 3.1) from the same records that the router has. */
import type { TObject, TSchema } from 'typebox'
import type { Permission } from '../protocol/endpoint.ts'
import type { ServerVersion } from './context.ts'
import type { Route } from './route.ts'

type Json = Readonly<Record<string, unknown>>

const ERROR_ANSWER = {
  description: 'The text of the error (despite the content type)',
  content: { 'application/json': { schema: { type: 'string' } } },
}

/** The document served at `/openapi.json`; paths are those below `/api2/json`. */
export function describeApi(routes: readonly Route[], version: ServerVersion): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const route of routes) {
    const path = (paths[route.path] ??= {})
    path[route.method.toLowerCase()] = describeRoute(route)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Cairn management API',
      description: 'The REST API of Proxmox Backup Server, as far as Cairn serves it',
      version: `${version.version}.${version.release}`,
    },
    servers: [{ url: '/api2/json' }],
    paths,
    components: {
      securitySchemes: {
        ticket: { type: 'apiKey', in: 'cookie', name: 'PBSAuthCookie' },
        token: { type: 'apiKey', in: 'header', name: 'Authorization' },
      },
    },
  }
}

function describeRoute(route: Route): Json {
  const inPath = new Set([...route.path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name ?? ''))
  const raw = route.kind === 'raw'
  const useBody = !raw && (route.method === 'POST' || route.method === 'PUT')
  const body = useBody ? bodyOf(route.parameters, inPath) : {}
  return {
    summary: route.summary,
    operationId: operationId(route),
    security: route.permission.kind === 'world' ? [] : [{ ticket: [] }, { token: [] }],
    'x-permission': describePermission(route.permission),
    parameters: parametersOf(route.parameters, inPath, { withQuery: !useBody }),
    ...body,
    responses: { 200: answerOf(route), default: ERROR_ANSWER },
  }
}

function parametersOf(
  schema: TObject,
  inPath: ReadonlySet<string>,
  { withQuery }: { readonly withQuery: boolean },
): readonly Json[] {
  const declared = Object.entries(schema.properties)
    .filter(([name]) => withQuery || inPath.has(name))
    .map(([name, property]) => ({
      name,
      in: inPath.has(name) ? 'path' : 'query',
      required: inPath.has(name) || isRequired(schema, name),
      schema: property as Json,
    }))
  // Directory nodes take path parameters that their schema does not look at.
  const known = new Set(Object.keys(schema.properties))
  const others = [...inPath].filter((name) => !known.has(name))
  const plain = { in: 'path', required: true, schema: { type: 'string' } }
  return [...declared, ...others.map((name) => ({ name, ...plain }))]
}

function bodyOf(schema: TObject, inPath: ReadonlySet<string>): Json {
  const members = Object.entries(schema.properties).filter(([name]) => !inPath.has(name))
  if (members.length === 0) return {}
  const required = members.map(([name]) => name).filter((name) => isRequired(schema, name))
  const content = {
    schema: {
      type: 'object',
      properties: Object.fromEntries(members),
      ...(required.length === 0 ? {} : { required }),
      additionalProperties: false,
    },
  }
  return {
    requestBody: {
      required: required.length > 0,
      content: { 'application/json': content, 'application/x-www-form-urlencoded': content },
    },
  }
}

function isRequired(schema: TObject, name: string): boolean {
  return (schema.required ?? []).includes(name)
}

function answerOf(route: Route): Json {
  if (route.kind === 'raw') {
    const schema = { type: 'string', format: 'binary' }
    return { description: 'The data', content: { 'application/octet-stream': { schema } } }
  }
  const data: TSchema = route.returns
  const schema = { type: 'object', properties: { data }, required: ['data'] }
  return { description: 'Success', content: { 'application/json': { schema } } }
}

/** `GET /admin/datastore/{store}/groups` as `getAdminDatastoreStoreGroups`. */
function operationId({ method, path }: Route): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '')
  const capitals = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1))
  return `${method.toLowerCase()}${capitals.join('') || 'Root'}`
}

function describePermission(permission: Permission): string {
  switch (permission.kind) {
    case 'privilege':
      return `${permission.path}: ${permission.privileges.join(permission.mode === 'all' ? ' & ' : ' | ')}`
    case 'self':
      return `{${permission.parameter}} is the caller`
    case 'any':
      return permission.of.map(describePermission).join(' or ')
    default:
      return permission.kind
  }
}
