/** Directory nodes: `GET` lists what lies below (rest-api §1.1, "Index nodes"). */
import { Type } from '../base/schema.ts'
import { OPEN_PARAMETERS } from '../protocol/common.ts'
import { AUTHENTICATED } from '../protocol/endpoint.ts'
import { type Route, route } from './route.ts'

/** Nodes that stock answers with a list; the other nodes have a call of their own or none. */
const INDEX_PATHS = [
  '/',
  '/access',
  '/admin',
  '/admin/datastore/{store}',
  '/admin/s3/{s3-endpoint-id}',
  '/config',
  '/nodes/{node}',
  '/nodes/{node}/tasks/{upid}',
  '/status',
] as const

/** The session paths are served before the router, and are listed all the same. */
const UPGRADE_PATHS = ['/backup', '/reader'] as const

/** One route per directory node, listing what `routes` has below it. */
export function indexRoutes(routes: readonly Route[]): readonly Route[] {
  const listed = routes.filter(({ isUnlisted }) => isUnlisted !== true)
  const paths = [...listed.map(({ path }) => path), ...INDEX_PATHS, ...UPGRADE_PATHS]
  return INDEX_PATHS.map((path) => {
    const entries = childrenOf(path, paths).map((subdir) => ({ subdir }))
    return route({
      method: 'GET',
      path,
      summary: `Lists what lies below ${path}`,
      parameters: OPEN_PARAMETERS,
      returns: Type.Array(Type.Object({ subdir: Type.String() })),
      permission: AUTHENTICATED,
      run: async () => entries,
    })
  })
}

function childrenOf(path: string, paths: readonly string[]): readonly string[] {
  const prefix = path === '/' ? '/' : `${path}/`
  const children = paths
    .filter((other) => other.startsWith(prefix) && other !== path)
    .map((other) => other.slice(prefix.length).split('/', 1)[0] ?? '')
    .filter((child) => child !== '' && !child.startsWith('{'))
  return [...new Set(children)].sort()
}
