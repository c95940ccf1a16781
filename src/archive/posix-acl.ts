/**
 * The kernel's form of POSIX ACLs, as the attributes `system.posix_acl_access` and `…_default` hold it:
 *
 * | Offset    | Size | Field                                                                            |
 * | --------- | ---- | -------------------------------------------------------------------------------- |
 * | 0         | 4    | version, 2                                                                       |
 * | 4 + 8 · i | 2    | tag: 1 owner, 2 named user, 4 owning group, 8 named group, 16 mask, 32 other      |
 * | 6 + 8 · i | 2    | permissions: 4 read, 2 write, 1 execute                                          |
 * | 8 + 8 · i | 4    | user or group id of a named entry, else 2^32 - 1                                 |
 */
import { ByteWriter } from '../base/bytes.ts'
import type { Acl, AclDefault, AclPermission } from './tree-entry.ts'

const VERSION = 2
const ID_NONE = 0xffffffff
const TAG_USER_OBJ = 1
const TAG_USER = 2
const TAG_GROUP_OBJ = 4
const TAG_GROUP = 8
const TAG_MASK = 16
const TAG_OTHER = 32

export interface PosixAcl {
  readonly userObj: number | null
  readonly users: readonly AclPermission[]
  readonly groupObj: number | null
  readonly groups: readonly AclPermission[]
  readonly mask: number | null
  readonly other: number | null
}

/** Decodes an attribute's value; null for one that is no ACL of this version. */
export function decodePosixAcl(bytes: Uint8Array): PosixAcl | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 4 || bytes.length % 8 !== 4 || view.getUint32(0, true) !== VERSION) return null
  const users: AclPermission[] = []
  const groups: AclPermission[] = []
  const single = new Map<number, number>()
  for (let at = 4; at < bytes.length; at += 8) {
    const tag = view.getUint16(at, true)
    const entry = { id: view.getUint32(at + 4, true), permissions: view.getUint16(at + 2, true) }
    if (tag === TAG_USER) users.push(entry)
    else if (tag === TAG_GROUP) groups.push(entry)
    else single.set(tag, entry.permissions)
  }
  return {
    userObj: single.get(TAG_USER_OBJ) ?? null,
    users: users.sort(byId),
    groupObj: single.get(TAG_GROUP_OBJ) ?? null,
    groups: groups.sort(byId),
    mask: single.get(TAG_MASK) ?? null,
    other: single.get(TAG_OTHER) ?? null,
  }
}

/** The attribute's value for `acl`, entries in the order the kernel wants. */
export function encodePosixAcl(acl: PosixAcl): Uint8Array {
  const out = new ByteWriter()
  out.u32le(VERSION)
  putSingle(out, TAG_USER_OBJ, acl.userObj)
  putNamed(out, TAG_USER, acl.users)
  putSingle(out, TAG_GROUP_OBJ, acl.groupObj)
  putNamed(out, TAG_GROUP, acl.groups)
  putSingle(out, TAG_MASK, acl.mask)
  putSingle(out, TAG_OTHER, acl.other)
  return out.finish()
}

/** What an archive keeps of an entry's ACLs (pxar.md 12.6), or null if that is nothing. */
export function toArchiveAcl(access: PosixAcl | null, defaults: PosixAcl | null): Acl | null {
  const acl: Acl = {
    users: access?.users ?? [],
    groups: access?.groups ?? [],
    // Without a mask the group bits of the mode say it.
    groupObj: access === null || access.mask === null ? null : access.groupObj,
    default: archiveDefault(defaults),
    defaultUsers: defaults?.users ?? [],
    defaultGroups: defaults?.groups ?? [],
  }
  const lists = [acl.users, acl.groups, acl.defaultUsers, acl.defaultGroups]
  const isEmpty = acl.groupObj === null && acl.default === null && lists.every(isEmptyList)
  return isEmpty ? null : acl
}

/** The access ACL that `mode` and the archive's items mean together (pxar.md 16.4, step 5). */
export function accessAclOf(mode: number, acl: Acl): PosixAcl {
  const groupBits = (mode >> 3) & 7
  const hasNamed = acl.users.length > 0 || acl.groups.length > 0
  return {
    userObj: (mode >> 6) & 7,
    users: acl.users,
    groupObj: acl.groupObj ?? groupBits,
    groups: acl.groups,
    mask: acl.groupObj !== null || hasNamed ? groupBits : null,
    other: mode & 7,
  }
}

/** The default ACL of a directory, or null; named entries without the unnamed ones are left out. */
export function defaultAclOf(acl: Acl): PosixAcl | null {
  if (acl.default === null) return null
  return { ...acl.default, users: acl.defaultUsers, groups: acl.defaultGroups }
}

function archiveDefault(defaults: PosixAcl | null): AclDefault | null {
  if (defaults === null) return null
  const { userObj, groupObj, other, mask } = defaults
  if (userObj === null && groupObj === null && other === null && mask === null) return null
  return { userObj, groupObj, other, mask }
}

function putSingle(out: ByteWriter, tag: number, permissions: number | null): void {
  if (permissions === null) return
  out.u16le(tag)
  out.u16le(permissions)
  out.u32le(ID_NONE)
}

function putNamed(out: ByteWriter, tag: number, entries: readonly AclPermission[]): void {
  for (const { id, permissions } of [...entries].sort(byId)) {
    out.u16le(tag)
    out.u16le(permissions)
    out.u32le(id)
  }
}

function byId(a: AclPermission, b: AclPermission): number {
  return a.id - b.id || a.permissions - b.permissions
}

function isEmptyList(list: readonly AclPermission[]): boolean {
  return list.length === 0
}
