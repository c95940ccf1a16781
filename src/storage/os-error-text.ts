/** System errors in the two spellings that stock's texts use. */
import { constants } from 'node:os'
import { toError } from '../base/errors.ts'

/** What the C library says to the errors that files give; others keep Node's message. */
const SENTENCES: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EAGAIN: 'Resource temporarily unavailable',
  EBUSY: 'Device or resource busy',
  EDQUOT: 'Disk quota exceeded',
  EEXIST: 'File exists',
  EFBIG: 'File too large',
  EINVAL: 'Invalid argument',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  EMFILE: 'Too many open files',
  ENAMETOOLONG: 'File name too long',
  ENODEV: 'No such device',
  ENOENT: 'No such file or directory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  ENOTEMPTY: 'Directory not empty',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
  ESTALE: 'Stale file handle',
}

/** `No such file or directory (os error 2)`; any other error's own message. */
export function osErrorText(thrown: unknown): string {
  const { code, sentence } = describe(thrown)
  if (code === null) return sentence
  const number = (constants.errno as Readonly<Record<string, number>>)[code]
  return number === undefined ? sentence : `${sentence} (os error ${number})`
}

/** `ENOENT: No such file or directory`; any other error's own message. */
export function errnoText(thrown: unknown): string {
  const { code, sentence } = describe(thrown)
  return code === null ? sentence : `${code}: ${sentence}`
}

function describe(thrown: unknown): { readonly code: string | null; readonly sentence: string } {
  const error: NodeJS.ErrnoException = toError(thrown)
  const sentence = error.code === undefined ? undefined : SENTENCES[error.code]
  if (error.code === undefined || sentence === undefined) {
    return { code: null, sentence: error.message }
  }
  return { code: error.code, sentence }
}
