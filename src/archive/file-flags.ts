/** File attributes between Linux's two kinds and the `flags` of ENTRY (pxar.md 5.2). */

/** Pairs: bit of ENTRY flags, bit of FS_IOC_GETFLAGS. */
const LINUX_FLAGS: readonly (readonly [number, number])[] = [
  [0x10000, 0x20], // APPEND
  [0x20000, 0x80], // NOATIME
  [0x40000, 0x4], // COMPR
  [0x80000, 0x800000], // NOCOW
  [0x100000, 0x40], // NODUMP
  [0x200000, 0x10000], // DIRSYNC
  [0x400000, 0x10], // IMMUTABLE
  [0x800000, 0x8], // SYNC
  [0x1000000, 0x400], // NOCOMP
  [0x2000000, 0x20000000], // PROJINHERIT
]

/** Pairs: bit of ENTRY flags, FAT attribute. */
const FAT_FLAGS: readonly (readonly [number, number])[] = [
  [0x2000, 2], // HIDDEN
  [0x4000, 4], // SYSTEM
  [0x8000, 32], // ARCHIVE
]

/** All Linux attributes that ENTRY flags can hold. */
export const LINUX_FLAGS_MASK = LINUX_FLAGS.reduce((mask, [, bit]) => mask | bit, 0)
export const FAT_FLAGS_MASK = FAT_FLAGS.reduce((mask, [, bit]) => mask | bit, 0)
/** What has to be set before content is written: NOATIME, COMPR, NOCOW, NOCOMP, PROJINHERIT. */
export const LINUX_FLAGS_INITIAL_MASK = 0x20800484

export function flagsFromLinux(bits: number): number {
  return mapBits(LINUX_FLAGS, bits, 1, 0)
}

export function flagsToLinux(flags: number): number {
  return mapBits(LINUX_FLAGS, flags, 0, 1)
}

export function flagsFromFat(bits: number): number {
  return mapBits(FAT_FLAGS, bits, 1, 0)
}

export function flagsToFat(flags: number): number {
  return mapBits(FAT_FLAGS, flags, 0, 1)
}

function mapBits(
  pairs: readonly (readonly [number, number])[],
  bits: number,
  from: 0 | 1,
  to: 0 | 1,
): number {
  let mapped = 0
  for (const pair of pairs) if ((bits & pair[from]) !== 0) mapped |= pair[to]
  return mapped
}
