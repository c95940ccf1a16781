/**
 * Layout of pxar archives (pxar.md 2 to 5): a sequence of items without padding.
 *
 * | Offset | Size           | Field                                   |
 * | ------ | -------------- | --------------------------------------- |
 * | 0      | 8              | type u64, one of the table below        |
 * | 8      | 8              | full size u64, including these 16 bytes |
 * | 16     | full size - 16 | content                                 |
 */
import { errors } from '../errors.ts'

export const HEADER_SIZE = 16
/** Longest name (pxar.md 4.5). */
export const NAME_SIZE_MAX = 4096
/** Directories inside each other; a path of 4096 bytes has at most 2048, so this refuses only attacks. */
export const DEPTH_MAX = 4096
/** Largest prelude a reader keeps: a list of exclude patterns, far below this. */
export const PRELUDE_SIZE_MAX = 4 * 1024 * 1024
/** Attributes of one entry a reader keeps: the kernel's list of names alone ends at 64 KiB. */
export const ATTRIBUTES_SIZE_MAX = 16 * 1024 * 1024

const U32_RANGE = 2 ** 32
const UNBOUNDED = Number.POSITIVE_INFINITY

export interface ItemType {
  /** Name of the specification. */
  readonly name: string
  readonly low: number
  readonly high: number
  /** Largest content in bytes. */
  readonly sizeMax: number
  /** Exact content size where the format fixes it, else null. */
  readonly size: number | null
}

const byLow = new Map<number, ItemType>()

export const FORMAT_VERSION = define('FORMAT_VERSION', 0x730f6c75df16a40dn, UNBOUNDED, 8)
export const PRELUDE = define('PRELUDE', 0xe309d79d9f7b771bn, UNBOUNDED)
export const ENTRY = define('ENTRY', 0xd5956474e588acefn, 40, 40)
export const ENTRY_V1 = define('ENTRY_V1', 0x11da850a1c1cceffn, UNBOUNDED, 32)
export const FILENAME = define('FILENAME', 0x16701121063917b3n, NAME_SIZE_MAX + 1)
export const SYMLINK = define('SYMLINK', 0x27f971e7dbf5dc5fn, 4097)
export const DEVICE = define('DEVICE', 0x9fc9e906586d5ce9n, 16, 16)
export const HARDLINK = define('HARDLINK', 0x51269c8422bd7275n, 4105)
export const XATTR = define('XATTR', 0x0dab0229b57dcd03n, 65791)
export const ACL_USER = define('ACL_USER', 0x2ce8540a457d55b8n, 16, 16)
export const ACL_GROUP = define('ACL_GROUP', 0x136e3eceb04c03abn, 16, 16)
export const ACL_GROUP_OBJ = define('ACL_GROUP_OBJ', 0x10868031e9582876n, 8, 8)
export const ACL_DEFAULT = define('ACL_DEFAULT', 0xbbbb13415a6896f5n, 32, 32)
export const ACL_DEFAULT_USER = define('ACL_DEFAULT_USER', 0xc89357b40532cd1fn, 16, 16)
export const ACL_DEFAULT_GROUP = define('ACL_DEFAULT_GROUP', 0xf90a8a5816038ffen, 16, 16)
export const FCAPS = define('FCAPS', 0x2da9dd9db5f7fb67n, 65791)
export const QUOTA_PROJID = define('QUOTA_PROJID', 0xe07540e82f7d1cbbn, 8, 8)
export const PAYLOAD = define('PAYLOAD', 0x28147a1b0b7c1a25n, UNBOUNDED)
export const PAYLOAD_REF = define('PAYLOAD_REF', 0x419d3d6bc4ba977en, 16, 16)
export const GOODBYE = define('GOODBYE', 0x2fec4fa642d5731dn, UNBOUNDED)
export const PAYLOAD_START_MARKER = define('PAYLOAD_START_MARKER', 0x834c68c2194a4ed2n, UNBOUNDED)
export const PAYLOAD_TAIL_MARKER = define('PAYLOAD_TAIL_MARKER', 0x6c72b78b984c81b5n, 16)

/** Hash value of a GOODBYE's last record: 0xef5eed5b753e1555. */
export const GOODBYE_TAIL_LOW = 0x753e1555
export const GOODBYE_TAIL_HIGH = 0xef5eed5b
/** Hash, offset and size, each u64. */
export const GOODBYE_RECORD_SIZE = 24

export interface ItemHeader {
  /** Null for a type this code does not know. */
  readonly type: ItemType | null
  readonly contentSize: number
  /** Type as stock prints it: `XATTR header (dab0229b57dcd03)`. */
  readonly label: string
}

/** The item type with these halves, or null. */
export function findItemType(low: number, high: number): ItemType | null {
  const type = byLow.get(low)
  return type !== undefined && type.high === high ? type : null
}

/** `XATTR header (dab0229b57dcd03)`, or `UNKNOWN header (…)`: hex without leading zeros. */
export function describeType(low: number, high: number): string {
  const hex = ((BigInt(high) << 32n) | BigInt(low)).toString(16)
  return `${findItemType(low, high)?.name ?? 'UNKNOWN'} header (${hex})`
}

/**
 * Content size of the item whose header is at `offset` of `view` and whose type is `type`.
 * Errors: PXAR_INVALID with the texts of pxar.md 9 for a size out of bounds.
 */
export function checkedContentSize(view: DataView, offset: number, type: ItemType | null): number {
  const high = view.getUint32(offset + 12, true)
  const fullSize = high * U32_RANGE + view.getUint32(offset + 8, true)
  const contentSize = fullSize - HEADER_SIZE
  if (contentSize >= 0 && contentSize <= (type?.sizeMax ?? UNBOUNDED)) {
    if (Number.isSafeInteger(fullSize)) return contentSize
  }
  const label = describeType(view.getUint32(offset, true), view.getUint32(offset + 4, true))
  const exact = view.getBigUint64(offset + 8, true)
  if (exact < 16n) throw invalid(`invalid header ${label} - too small (${exact})`)
  const limit = Number.isFinite(type?.sizeMax) ? type?.sizeMax : Number.MAX_SAFE_INTEGER
  throw invalid(`invalid content size (${exact - 16n} > ${limit}) of entry with ${label}`)
}

/**
 * Checks the rules of a name: not empty, no `/`, no NUL, not `.` or `..`, at most 4096 bytes.
 * Errors: PXAR_INVALID with the texts of pxar.md 9.
 */
export function checkName(name: Uint8Array): void {
  const problem = findNameProblem(name)
  if (problem !== null) throw invalid(problem)
}

/** What is wrong with `name` as an entry's name, or null. */
export function findNameProblem(name: Uint8Array): string | null {
  if (name.length === 0) return 'illegal path found (empty)'
  if (name.length > NAME_SIZE_MAX) return `filename too long (> ${NAME_SIZE_MAX})`
  if (name[0] === 0x2e && name.length <= 2) {
    if (name.length === 1) return "illegal path found: '.'"
    if (name[1] === 0x2e) return "illegal path found: '..'"
  }
  if (name.includes(0x2f))
    return 'illegal path found (contains slashes, this is a security concern)'
  // Stock lets it pass and fails later, when the name reaches a system call.
  if (name.includes(0)) return 'illegal path found (contains a NUL byte)'
  return null
}

function define(name: string, value: bigint, sizeMax: number, size?: number): ItemType {
  const low = Number(value & 0xffffffffn)
  const type = { name, low, high: Number(value >> 32n), sizeMax, size: size ?? null }
  byLow.set(low, type)
  return type
}

function invalid(text: string): Error {
  return errors.PXAR_INVALID({ text })
}
