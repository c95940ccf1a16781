/**
 * Attributes of files kept outside of stat: ext-style flags, FAT attributes, quota project ids.
 * All work on an open descriptor. Request numbers are `_IOR`/`_IOW` of the kernel's headers
 * (direction 2 bits, size 14, type 8, number 8); x86-64 and arm64 agree.
 */
import { nativeCall } from './native.ts'

const IOCTL = 'int ioctl(int fd, unsigned long request, void *argument)'
const FS_IOC_GETFLAGS = 0x80086601
const FS_IOC_SETFLAGS = 0x40086602
const FS_IOC_FSGETXATTR = 0x801c581f
const FS_IOC_FSSETXATTR = 0x401c5820
const FAT_IOCTL_GET_ATTRIBUTES = 0x80047210
const FAT_IOCTL_SET_ATTRIBUTES = 0x40047211

/** struct fsxattr: xflags, extsize, nextents, projid, cowextsize (u32 each), 8 bytes of padding. */
const FSXATTR_SIZE = 28
const FSXATTR_PROJECT_ID = 12

/**
 * Where the kernel puts an answer: one for all calls, because they wait, and fresh memory for each of the three looks at
 * every file of a tree costs more than the looks.
 */
const answer = Buffer.alloc(FSXATTR_SIZE)

/** What file systems answer that know nothing of such attributes (pxar.md section 5). */
const NOT_THERE = ['ENOTTY', 'ENOSYS', 'EBADF', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL']

/** `FS_*_FL` bits, or null where the file system has none. */
export function readFileFlags(fd: number): number | null {
  return readNumber(fd, FS_IOC_GETFLAGS)
}

/** Sets `FS_*_FL` bits; EPERM, EOPNOTSUPP and the like are thrown. */
export function writeFileFlags(fd: number, flags: number): void {
  nativeCall(IOCTL, [fd, FS_IOC_SETFLAGS, numberBuffer(flags)])
}

/** FAT attribute bits, or null where the file system is not FAT. */
export function readFatAttributes(fd: number): number | null {
  return readNumber(fd, FAT_IOCTL_GET_ATTRIBUTES)
}

export function writeFatAttributes(fd: number, attributes: number): void {
  nativeCall(IOCTL, [fd, FAT_IOCTL_SET_ATTRIBUTES, numberBuffer(attributes)])
}

/** Quota project id (0 = none), or null where the file system has none. */
export function readProjectId(fd: number): number | null {
  const result = nativeCall(IOCTL, [fd, FS_IOC_FSGETXATTR, answer], { allowed: NOT_THERE })
  return result === null ? null : answer.readUInt32LE(FSXATTR_PROJECT_ID)
}

/** Sets the quota project id and leaves the other extended attributes of this kind. */
export function writeProjectId(fd: number, projectId: number): void {
  nativeCall(IOCTL, [fd, FS_IOC_FSGETXATTR, answer])
  answer.writeUInt32LE(projectId, FSXATTR_PROJECT_ID)
  nativeCall(IOCTL, [fd, FS_IOC_FSSETXATTR, answer])
}

function readNumber(fd: number, request: number): number | null {
  const result = nativeCall(IOCTL, [fd, request, answer], { allowed: NOT_THERE })
  return result === null ? null : answer.readUInt32LE(0)
}

/** The kernel reads an int although the request numbers say long; eight bytes serve both. */
function numberBuffer(value: number): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeUInt32LE(value >>> 0, 0)
  return buffer
}
