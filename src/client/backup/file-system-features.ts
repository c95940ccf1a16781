/** What each kind of file system can hold beyond mode and times (pxar.md 12.1 and 12.2). */

/** Shared by all entries of one visit of a file system: a call it does not know is not tried again. */
export interface FileSystemFeatures {
  xattrs: boolean
  acl: boolean
  fcaps: boolean
  quotaProjectId: boolean
  fatAttributes: boolean
}

const FUSE = 0x65735546
const FAT = 0x4d44

const VIRTUAL: ReadonlySet<number> = new Set([
  0x42494e4d, // binfmt_misc
  0x63677270, // cgroup2
  0x27e0eb, // cgroup
  0x62656570, // configfs
  0x64626720, // debugfs
  0x1cd1, // devpts
  0xde5e81e4, // efivarfs
  0x65735543, // fusectl
  0x958458f6, // hugetlbfs
  0x19800202, // mqueue
  0x6e667364, // nfsd
  0x9fa0, // proc
  0x6165676c, // pstore
  0x67596969, // rpc_pipefs
  0x73636673, // securityfs
  0xf97cff8c, // selinuxfs
  0x43415d53, // smackfs
  0x62656572, // sysfs
])

/** Whether a file system of this `f_type` shows the kernel's state instead of files. */
export function isVirtual(magic: number): boolean {
  return VIRTUAL.has(magic >>> 0)
}

/**
 * A fresh set for one visit of a file system of this `f_type`. Everything is looked for everywhere:
 * what a file system cannot hold, it does not list, and a call that it does not know is dropped at
 * the first try. Stock skips attributes on tmpfs (and with them ACLs and capabilities), ACLs and
 * capabilities on FUSE, and project ids but on ext4, XFS and ZFS, although newer kernels keep them
 * there; on ext4, XFS, ZFS and Btrfs the archive is the same as stock's.
 */
export function featuresOf(magic: number): FileSystemFeatures {
  const kind = magic >>> 0
  return {
    xattrs: true,
    acl: true,
    fcaps: true,
    quotaProjectId: true,
    fatAttributes: kind === FAT || kind === FUSE,
  }
}
