/** System errors in the words of the C library, as stock prints them: `EEXIST: File exists`. */
import { CairnError, toError } from '../base/errors.ts'

const TEXTS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EDQUOT: 'Quota exceeded',
  EEXIST: 'File exists',
  EINVAL: 'Invalid argument',
  EIO: 'I/O error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many symbolic links encountered',
  EMFILE: 'Too many open files',
  EMLINK: 'Too many links',
  ENAMETOOLONG: 'File name too long',
  ENODEV: 'No such device',
  ENOENT: 'No such file or directory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  ENOTEMPTY: 'Directory not empty',
  ENXIO: 'No such device or address',
  EOPNOTSUPP: 'Operation not supported on transport endpoint',
  ENOTSUP: 'Operation not supported on transport endpoint',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
  EXDEV: 'Invalid cross-device link',
}

/** Code of an error of the operating system (`EEXIST`), or null for any other. */
export function systemCode(thrown: unknown): string | null {
  if (!(thrown instanceof Error) || thrown instanceof CairnError) return null
  const isSystem = 'code' in thrown && 'syscall' in thrown
  return isSystem && typeof thrown.code === 'string' ? thrown.code : null
}

/** `code: text` of a system error, else its message. */
export function systemText(thrown: unknown): string {
  const code = systemCode(thrown)
  const text = code === null ? undefined : TEXTS[code]
  return text === undefined ? toError(thrown).message : `${code}: ${text}`
}
