/**
 * ENTRY and the attribute items after it (pxar.md 4.3, 4.4, 4.9 to 4.12, order of section 7).
 *
 * | ENTRY offset | Size | Field                          |
 * | ------------ | ---- | ------------------------------ |
 * | 0            | 8    | mode u64                       |
 * | 8            | 8    | flags u64                      |
 * | 16           | 4    | uid u32                        |
 * | 20           | 4    | gid u32                        |
 * | 24           | 8    | mtime seconds i64              |
 * | 32           | 4    | mtime nanoseconds u32          |
 * | 36           | 4    | zero                           |
 *
 * ENTRY_V1 has at 24 the mtime in nanoseconds as u64 and ends there.
 */
import { errors } from '../errors.ts'
import type { Acl, AclPermission, EntryMetadata, Xattr } from '../tree-entry.ts'
import {
  ACL_DEFAULT,
  ACL_DEFAULT_GROUP,
  ACL_DEFAULT_USER,
  ACL_GROUP,
  ACL_GROUP_OBJ,
  ACL_USER,
  ENTRY,
  FCAPS,
  type ItemType,
  QUOTA_PROJID,
  XATTR,
} from './format.ts'
import type { PieceWriter } from './piece-writer.ts'

/** How "not present" is written in ACL_DEFAULT: 2^64 - 1. */
const ABSENT = -1

/** Writes ENTRY and all attribute items of `metadata`. Errors: PXAR_UNSTORABLE. */
export function writeMetadata(out: PieceWriter, metadata: EntryMetadata): void {
  out.item(ENTRY, 40)
  out.u64(metadata.mode)
  out.u64(metadata.flags)
  out.u32(metadata.uid)
  out.u32(metadata.gid)
  out.u64(metadata.mtimeSec)
  out.u32(metadata.mtimeNsec)
  out.u32(0)
  for (const xattr of metadata.xattrs) writeXattr(out, xattr)
  if (metadata.acl !== null) writeAcl(out, metadata.acl)
  if (metadata.fcaps !== null) {
    checkSize(FCAPS, metadata.fcaps.length)
    out.item(FCAPS, metadata.fcaps.length)
    out.bytes(metadata.fcaps)
  }
  if (metadata.quotaProjectId !== null) {
    out.item(QUOTA_PROJID, 8)
    out.u64(metadata.quotaProjectId)
  }
}

function writeXattr(out: PieceWriter, { name, value }: Xattr): void {
  const size = name.length + 1 + value.length
  checkSize(XATTR, size)
  out.item(XATTR, size)
  out.bytes(name)
  out.u8(0)
  out.bytes(value)
}

function writeAcl(out: PieceWriter, acl: Acl): void {
  for (const user of acl.users) writeAclPermission(out, ACL_USER, user)
  for (const group of acl.groups) writeAclPermission(out, ACL_GROUP, group)
  if (acl.groupObj !== null) {
    out.item(ACL_GROUP_OBJ, 8)
    out.u64(acl.groupObj)
  }
  if (acl.default !== null) {
    out.item(ACL_DEFAULT, 32)
    out.u64(acl.default.userObj ?? ABSENT)
    out.u64(acl.default.groupObj ?? ABSENT)
    out.u64(acl.default.other ?? ABSENT)
    out.u64(acl.default.mask ?? ABSENT)
  }
  for (const user of acl.defaultUsers) writeAclPermission(out, ACL_DEFAULT_USER, user)
  for (const group of acl.defaultGroups) writeAclPermission(out, ACL_DEFAULT_GROUP, group)
}

function writeAclPermission(out: PieceWriter, type: ItemType, entry: AclPermission): void {
  out.item(type, 16)
  out.u64(entry.id)
  out.u64(entry.permissions)
}

function checkSize(type: ItemType, size: number): void {
  if (size <= type.sizeMax) return
  const text = `Cannot store ${type.name}: ${size} bytes, at most ${type.sizeMax} fit`
  throw errors.PXAR_UNSTORABLE({ text })
}
