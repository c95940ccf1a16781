/** The neutral directory entry that encoders, decoders, catalogs and extraction speak. */

/** Attribute name and value, both raw bytes. */
export interface Xattr {
  readonly name: Uint8Array
  readonly value: Uint8Array
}

/** Permissions of one named user or group; bits 4 read, 2 write, 1 execute. */
export interface AclPermission {
  readonly id: number
  readonly permissions: number
}

/** The unnamed part of a default ACL; null means "not present". */
export interface AclDefault {
  readonly userObj: number | null
  readonly groupObj: number | null
  readonly other: number | null
  readonly mask: number | null
}

/** POSIX ACLs as pxar stores them (pxar.md 4.10): what `mode` already says is not repeated. */
export interface Acl {
  readonly users: readonly AclPermission[]
  readonly groups: readonly AclPermission[]
  /** The owning group's own permissions; present only when the access ACL has a mask. */
  readonly groupObj: number | null
  readonly default: AclDefault | null
  readonly defaultUsers: readonly AclPermission[]
  readonly defaultGroups: readonly AclPermission[]
}

export interface EntryMetadata {
  /** Full `st_mode`: file type and permission bits. */
  readonly mode: number
  /** File attributes in the bit assignment of pxar.md 5.2. */
  readonly flags: number
  readonly uid: number
  readonly gid: number
  /** Seconds since the epoch, may be negative. */
  readonly mtimeSec: number
  /** 0 … 999999999, counted forward from `mtimeSec`. */
  readonly mtimeNsec: number
  readonly xattrs: readonly Xattr[]
  readonly acl: Acl | null
  /** Raw value of `security.capability`. */
  readonly fcaps: Uint8Array | null
  readonly quotaProjectId: number | null
}

export interface PayloadReference {
  /** Position of the PAYLOAD header in the payload archive. */
  readonly offset: number
  readonly size: number
}

interface Named {
  /** Name bytes without terminator; empty for the root. */
  readonly name: Buffer
}

interface WithMetadata extends Named {
  readonly metadata: EntryMetadata
}

export interface DirectoryEntry extends WithMetadata {
  readonly kind: 'directory'
}

export interface FileEntry extends WithMetadata {
  readonly kind: 'file'
  readonly size: number
  /** Where the content is, for a split archive; null: it follows in the same stream. */
  readonly reference: PayloadReference | null
}

export interface SymlinkEntry extends WithMetadata {
  readonly kind: 'symlink'
  readonly target: Buffer
}

export interface DeviceEntry extends WithMetadata {
  readonly kind: 'block-device' | 'char-device'
  readonly major: number
  readonly minor: number
}

export interface SpecialEntry extends WithMetadata {
  readonly kind: 'fifo' | 'socket'
}

export interface HardlinkEntry extends Named {
  readonly kind: 'hardlink'
  /** Path of the target relative to the archive root, no leading slash. */
  readonly target: Buffer
  /** Distance from this link's FILENAME item back to the target's. */
  readonly back: number
}

export type TreeEntry =
  | DirectoryEntry
  | FileEntry
  | SymlinkEntry
  | DeviceEntry
  | SpecialEntry
  | HardlinkEntry

/** File type bits of `mode` (pxar.md 5.1). */
export const MODE_TYPE_MASK = 0o170000
export const MODE_SOCKET = 0o140000
export const MODE_SYMLINK = 0o120000
export const MODE_FILE = 0o100000
export const MODE_BLOCK_DEVICE = 0o060000
export const MODE_DIRECTORY = 0o040000
export const MODE_CHAR_DEVICE = 0o020000
export const MODE_FIFO = 0o010000
export const MODE_PERMISSIONS_MASK = 0o7777

const NO_XATTRS: readonly Xattr[] = Object.freeze([])

/** Metadata of `mode` with everything else empty; for generated entries and tests. */
export function plainMetadata(mode: number, rest: Partial<EntryMetadata> = {}): EntryMetadata {
  return {
    mode,
    flags: 0,
    uid: 0,
    gid: 0,
    mtimeSec: 0,
    mtimeNsec: 0,
    xattrs: NO_XATTRS,
    acl: null,
    fcaps: null,
    quotaProjectId: null,
    ...rest,
  }
}
