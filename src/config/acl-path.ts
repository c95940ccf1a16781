/** Which paths new ACL entries may name. Source: rest-api.md 3.3. */
import { aclComponents } from './acl-file.ts'
import { errors } from './errors.ts'

/** Path of a datastore and of seven nested namespaces. */
const DATASTORE_DEPTH_MAX = 9
/** Path of a remote, its datastore, and of seven nested namespaces. */
const REMOTE_DEPTH_MAX = 10

const ACCESS = ['acl', 'users', 'domains']
const SYSTEM = ['certificates', 'disks', 'log', 'notifications', 'status', 'tasks', 'time']
const SYSTEM_WITH_ID = ['services', 's3-endpoint', 'encryption-keys']
const TAPE = ['device', 'pool', 'job']

/** Errors: ACL_PATH for a path that no check ever asks for. */
export function checkAclPath(path: string): void {
  if (!isAllowed(aclComponents(path))) throw errors.ACL_PATH({ path })
}

function isAllowed(components: readonly string[]): boolean {
  const [top, second] = components
  const depth = components.length
  switch (top) {
    case undefined:
      return true
    case 'access':
      if (second === 'openid') return depth <= 3
      return depth === 1 || (depth === 2 && ACCESS.includes(second ?? ''))
    case 'datastore':
      return depth <= DATASTORE_DEPTH_MAX
    case 'remote':
      return depth <= REMOTE_DEPTH_MAX
    case 'system':
      return depth === 1 || isAllowedSystem(components.slice(1))
    case 'tape':
      return depth === 1 || (depth <= 3 && TAPE.includes(second ?? ''))
    default:
      return false
  }
}

function isAllowedSystem(components: readonly string[]): boolean {
  const [kind = '', part] = components
  const depth = components.length
  if (SYSTEM.includes(kind)) return depth === 1
  if (SYSTEM_WITH_ID.includes(kind)) return depth <= 2
  if (kind !== 'network') return false
  if (part === 'dns') return depth === 2
  return depth === 1 || (part === 'interfaces' && depth <= 3)
}
