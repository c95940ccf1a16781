/** Declared permissions against a caller (rest-api §3.3). */
import type { Permission } from '../protocol/endpoint.ts'
import type { PrivilegeName } from '../config/privileges.ts'
import type { Caller } from './auth/authenticate.ts'
import { hasPrivilege } from './auth/permissions.ts'
import type { ServerContext } from './context.ts'

/** Whether `caller` may; `path` holds the path parameters. root@pam passes every check. */
export async function isPermitted(
  context: ServerContext,
  caller: Caller,
  permission: Permission,
  path: Readonly<Record<string, string>>,
): Promise<boolean> {
  switch (permission.kind) {
    case 'world':
    case 'authenticated':
      return true
    case 'superuser':
      return caller.superuser
    case 'self':
      return caller.superuser || path[permission.parameter] === caller.authId
    case 'privilege': {
      const place = permission.path.replace(/\{([^}]+)\}/g, (_, name: string) => path[name] ?? '')
      const names = permission.privileges as readonly PrivilegeName[]
      const any = permission.mode === 'any'
      return caller.superuser || (await hasPrivilege(context.auth, caller, place, names, { any }))
    }
    case 'any':
      for (const one of permission.of) {
        if (await isPermitted(context, caller, one, path)) return true
      }
      return false
    default:
      return permission satisfies never
  }
}
