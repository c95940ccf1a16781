/** Extended attributes of files, folders and links themselves (`l*xattr`). Calls wait; see native.ts. */
import { cString, type NativePath, nativeCall } from './native.ts'
import { systemError } from './system-error.ts'

const LIST = 'int64_t llistxattr(const void *path, void *list, size_t size)'
const GET = 'int64_t lgetxattr(const void *path, const void *name, void *value, size_t size)'
const SET =
  'int lsetxattr(const void *path, const void *name, const void *value, size_t size, int flags)'
const REMOVE = 'int lremovexattr(const void *path, const void *name)'

/** Linux allows values and name lists of at most 64 KiB (XATTR_SIZE_MAX, XATTR_LIST_MAX). */
const XATTR_SIZE_MAX = 65_536
/** Most lists and values are small: the first try needs no second call for them. */
const FIRST_SIZE = 1024

/** Names of the attributes of `path`; ENOTSUP where the file system has none. */
export function llistxattr(path: NativePath): Buffer[] {
  const list = readGrowing((buffer) => {
    const values = [cString(path), buffer, buffer.length]
    return nativeCall(LIST, values, { path, allowed: ['ERANGE'] })
  })
  if (list === null) throw systemError('E2BIG', 'llistxattr', path.toString())
  const names: Buffer[] = []
  for (let start = 0; start < list.length; ) {
    const end = list.indexOf(0, start)
    names.push(list.subarray(start, end === -1 ? list.length : end))
    start = end === -1 ? list.length : end + 1
  }
  return names
}

/** Value of one attribute, or null if there is none of that name. */
export function lgetxattr(path: NativePath, name: string | Buffer): Buffer | null {
  let isMissing = false
  const value = readGrowing((buffer) => {
    const values = [cString(path), cString(name), buffer, buffer.length]
    const size = nativeCall(GET, values, { path, allowed: ['ERANGE', 'ENODATA'] })
    // Told apart by asking for the size: ENODATA answers null again, ERANGE cannot happen then.
    if (size !== null) return size
    const asked = nativeCall(GET, [cString(path), cString(name), null, 0], {
      path,
      allowed: ['ENODATA'],
    })
    isMissing = asked === null
    return isMissing ? 0 : null
  })
  if (isMissing) return null
  if (value === null) throw systemError('E2BIG', 'lgetxattr', path.toString())
  return value
}

/** Sets one attribute, made or replaced. */
export function lsetxattr(path: NativePath, name: string | Buffer, value: Uint8Array): void {
  // An empty view may have no memory; the call wants an address all the same.
  const bytes = value.length === 0 ? Buffer.alloc(1) : value
  nativeCall(SET, [cString(path), cString(name), bytes, value.length, 0], { path })
}

/** Removes one attribute; false if there was none of that name. */
export function lremovexattr(path: NativePath, name: string | Buffer): boolean {
  const values = [cString(path), cString(name)]
  return nativeCall(REMOVE, values, { path, allowed: ['ENODATA'] }) !== null
}

function readGrowing(read: (buffer: Buffer) => number | null): Buffer | null {
  for (const size of [FIRST_SIZE, XATTR_SIZE_MAX]) {
    const buffer = Buffer.alloc(size)
    const used = read(buffer)
    if (used !== null) return buffer.subarray(0, used)
  }
  return null
}
