/** Collects the metadata of one opened entry as the stock client does (pxar.md 12.6). */
import { isSystemError } from '../../base/errors.ts'
import { getXattr, listXattrs, type NativeStat } from '../../base/fs/native-at.ts'
import { readFatAttributes, readFileFlags, readProjectId } from '../../base/fs/native-file-flags.ts'
import { flagsFromFat, flagsFromLinux } from '../../archive/file-flags.ts'
import { decodePosixAcl, type PosixAcl, toArchiveAcl } from '../../archive/posix-acl.ts'
import type { EntryMetadata, Xattr } from '../../archive/tree-entry.ts'
import { errors } from './errors.ts'
import { quotePath } from './exclude-patterns.ts'
import type { FileSystemFeatures } from './file-system-features.ts'

const ACL_ACCESS = 'system.posix_acl_access'
const ACL_DEFAULT = 'system.posix_acl_default'
const CAPABILITY = 'security.capability'
const XATTR_NAME_SIZE_MAX = 255
const NO_XATTRS: readonly Xattr[] = []
/** The file system does not know the call, or the descriptor is of a kind that has no such thing. */
const NOT_KNOWN = ['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS']

export interface MetadataSource {
  readonly fd: number
  readonly stat: NativeStat
  /** Open for reading; otherwise (O_PATH) nothing beyond `stat` can be had. */
  readonly isReadable: boolean
  /** Byte string for error texts. */
  readonly path: string
}

export interface MetadataOptions {
  /** Leaves out the attributes of a file for which the kernel says E2BIG. */
  readonly skipE2bigXattr: boolean
}

interface Attributes {
  readonly xattrs: readonly Xattr[]
  readonly access: PosixAcl | null
  readonly defaults: PosixAcl | null
  readonly fcaps: Uint8Array | null
}

const NO_ATTRIBUTES: Attributes = { xattrs: NO_XATTRS, access: null, defaults: null, fcaps: null }

/** All metadata of an entry. `features` loses what the file system turns out not to know. */
export function readMetadata(
  source: MetadataSource,
  features: FileSystemFeatures,
  options: MetadataOptions,
): EntryMetadata {
  const { fd, stat, isReadable } = source
  const attributes = isReadable ? readAttributes(source, features, options) : NO_ATTRIBUTES
  return {
    mode: stat.mode,
    flags: isReadable ? readFlags(fd, features) : 0,
    uid: stat.uid,
    gid: stat.gid,
    mtimeSec: stat.mtimeSec,
    mtimeNsec: stat.mtimeNsec,
    xattrs: attributes.xattrs,
    acl: attributes === NO_ATTRIBUTES ? null : toAcl(attributes),
    fcaps: attributes.fcaps,
    quotaProjectId: isReadable && features.quotaProjectId ? projectId(fd) : null,
  }
}

function readAttributes(
  source: MetadataSource,
  features: FileSystemFeatures,
  options: MetadataOptions,
): Attributes {
  if (!features.xattrs) return NO_ATTRIBUTES
  try {
    const names = listXattrs(source.fd)
    return names.length === 0 ? NO_ATTRIBUTES : readEach(source.fd, names, features)
  } catch (error) {
    if (isSystemError(error, 'EBADF')) return NO_ATTRIBUTES
    if (isSystemError(error, ...NOT_KNOWN)) {
      features.xattrs = false
      return NO_ATTRIBUTES
    }
    if (!isSystemError(error, 'E2BIG')) throw error
    if (options.skipE2bigXattr) return NO_ATTRIBUTES
    throw errors.XATTRS_TOO_LARGE({ path: quotePath(source.path) }, { cause: error })
  }
}

function readEach(fd: number, names: readonly string[], features: FileSystemFeatures): Attributes {
  const xattrs: Xattr[] = []
  let access: PosixAcl | null = null
  let defaults: PosixAcl | null = null
  let fcaps: Uint8Array | null = null
  for (const name of names) {
    if (name === CAPABILITY) {
      fcaps = features.fcaps ? whileKnown(features, 'fcaps', () => readValue(fd, name)) : null
    } else if (name === ACL_ACCESS) {
      access = features.acl ? whileKnown(features, 'acl', () => readAcl(fd, name)) : null
    } else if (name === ACL_DEFAULT) {
      defaults = features.acl ? whileKnown(features, 'acl', () => readAcl(fd, name)) : null
    } else if (isKeptXattr(name)) {
      const value = readValue(fd, name)
      if (value !== null) xattrs.push({ name: Buffer.from(name, 'latin1'), value })
    }
  }
  return { xattrs, access, defaults, fcaps }
}

/** What `read` gives; a call that the file system does not know costs that feature, not the others. */
function whileKnown<Value>(
  features: FileSystemFeatures,
  feature: 'acl' | 'fcaps',
  read: () => Value | null,
): Value | null {
  try {
    return read()
  } catch (error) {
    if (!isSystemError(error, ...NOT_KNOWN)) throw error
    features[feature] = false
    return null
  }
}

/** Whether an attribute of this name is stored as it is; the rule holds for restoring as well. */
export function isKeptXattr(name: string): boolean {
  if (name.length === 0 || name.length > XATTR_NAME_SIZE_MAX) return false
  return name.startsWith('user.') || name.startsWith('trusted.') || name === 'security.NTACL'
}

function readAcl(fd: number, name: string): PosixAcl | null {
  const value = readValue(fd, name)
  return value === null ? null : decodePosixAcl(value)
}

/** The value, or null if the attribute went away meanwhile. */
function readValue(fd: number, name: string): Buffer | null {
  try {
    return getXattr(fd, name)
  } catch (error) {
    if (isSystemError(error, 'ENODATA')) return null
    throw error
  }
}

function toAcl({ access, defaults }: Attributes): EntryMetadata['acl'] {
  return access === null && defaults === null ? null : toArchiveAcl(access, defaults)
}

function readFlags(fd: number, features: FileSystemFeatures): number {
  const flags = flagsFromLinux(readFileFlags(fd) ?? 0)
  return features.fatAttributes ? flags | flagsFromFat(readFatAttributes(fd) ?? 0) : flags
}

function projectId(fd: number): number | null {
  const id = readProjectId(fd)
  return id === 0 ? null : id
}
