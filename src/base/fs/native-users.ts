/** Users and groups of the system, by whatever the machine asks (NSS), not by reading /etc/passwd. */
import { cString, loadKoffi, nativeFunction } from './native.ts'

export interface SystemUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

export interface SystemGroup {
  readonly name: string
  readonly gid: number
}

let passwdType: unknown
let groupType: unknown

/** The user `name`, or null if there is none. Waits for the name service. */
export function lookupUser(name: string): SystemUser | null {
  if (name.includes('\0')) return null
  return toUser(nativeFunction('void *getpwnam(const void *name)')(cString(name)))
}

/** The user with number `uid`, or null. */
export function lookupUid(uid: number): SystemUser | null {
  return toUser(nativeFunction('void *getpwuid(unsigned int uid)')(uid))
}

/** The group `name`, or null. */
export function lookupGroup(name: string): SystemGroup | null {
  if (name.includes('\0')) return null
  const answer = nativeFunction('void *getgrnam(const void *name)')(cString(name))
  if (answer === null) return null
  const koffi = loadKoffi('getgrnam')
  const definition = { name: 'char *', password: 'char *', gid: 'unsigned int' }
  groupType ??= koffi.struct(definition)
  const group = koffi.decode(answer, groupType) as { name: string; gid: number }
  return { name: group.name, gid: group.gid }
}

function toUser(answer: unknown): SystemUser | null {
  if (answer === null) return null
  const koffi = loadKoffi('getpwnam')
  passwdType ??= koffi.struct({
    name: 'char *',
    password: 'char *',
    uid: 'unsigned int',
    gid: 'unsigned int',
    comment: 'char *',
    home: 'char *',
    shell: 'char *',
  })
  const user = koffi.decode(answer, passwdType) as {
    name: string
    uid: number
    gid: number
    home: string
  }
  return { name: user.name, uid: user.uid, gid: user.gid, home: user.home }
}
