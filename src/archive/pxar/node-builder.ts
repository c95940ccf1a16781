/** Gathers ENTRY, attributes and content item of one node into a TreeEntry (pxar.md 7 and 9). */
import { readU32le } from '../../base/bytes.ts'
import { errors } from '../errors.ts'
import {
  type AclDefault,
  type AclPermission,
  type EntryMetadata,
  MODE_BLOCK_DEVICE,
  MODE_CHAR_DEVICE,
  MODE_DIRECTORY,
  MODE_FIFO,
  MODE_FILE,
  MODE_SOCKET,
  MODE_SYMLINK,
  MODE_TYPE_MASK,
  type TreeEntry,
  type Xattr,
} from '../tree-entry.ts'
import {
  ACL_DEFAULT,
  ACL_DEFAULT_GROUP,
  ACL_DEFAULT_USER,
  ACL_GROUP,
  ACL_GROUP_OBJ,
  ACL_USER,
  ATTRIBUTES_SIZE_MAX,
  checkName,
  DEVICE,
  ENTRY_V1,
  FCAPS,
  type ItemType,
  PAYLOAD,
  PAYLOAD_REF,
  QUOTA_PROJID,
  SYMLINK,
  XATTR,
} from './format.ts'

const U32_RANGE = 2 ** 32
const NANOSECONDS = 1_000_000_000n

/** What stock calls a fixed-size item in its texts. */
const WHAT: ReadonlyMap<ItemType, string> = new Map([
  [DEVICE, 'device'],
  [ACL_USER, 'acl user'],
  [ACL_GROUP, 'acl group'],
  [ACL_GROUP_OBJ, 'acl group object'],
  [ACL_DEFAULT, 'acl default'],
  [ACL_DEFAULT_USER, 'acl group'],
  [ACL_DEFAULT_GROUP, 'acl group'],
  [QUOTA_PROJID, 'quota project id'],
  [FCAPS, 'file capability'],
])

/** One node at a time: `start`, `attribute` as often as it says true, then one of the ends. */
export class NodeBuilder {
  #name: Buffer = Buffer.alloc(0)
  #base: EntryMetadata | null = null
  #xattrs: Xattr[] = []
  #acl = emptyAcl()
  #hasAcl = false
  #fcaps: Uint8Array | null = null
  #quotaProjectId: number | null = null
  #attributesSize = 0

  /** Begins the node called `name` with the content of its ENTRY or ENTRY_V1 item. */
  start(name: Buffer, type: ItemType, content: Uint8Array): void {
    this.#name = name
    this.#base = parseEntry(type, content)
    this.#xattrs = []
    this.#fcaps = null
    this.#quotaProjectId = null
    this.#attributesSize = 0
    if (this.#hasAcl) this.#acl = emptyAcl()
    this.#hasAcl = false
  }

  /** Takes an attribute item, whose content is copied; false if `type` is none. Errors: PXAR_INVALID. */
  attribute(type: ItemType, content: Uint8Array): boolean {
    if (!isAttribute(type)) return false
    this.#attributesSize += content.length
    if (this.#attributesSize > ATTRIBUTES_SIZE_MAX)
      throw invalid('too many attributes of one entry')
    if (type === XATTR) this.#xattrs.push(parseXattr(content))
    else if (type === FCAPS) this.#setFcaps(content)
    else if (type === QUOTA_PROJID) this.#setQuotaProjectId(content)
    else this.#addAcl(type, content)
    return true
  }

  /**
   * The finished entry when `type` is a content item, else null. A file's content is not read:
   * `contentSize` is its size. Errors: PXAR_INVALID, also when mode and item contradict each other.
   */
  finishWith(type: ItemType, content: Uint8Array, contentSize: number): TreeEntry | null {
    const node = { name: this.#name, metadata: this.#metadata() }
    if (type === PAYLOAD) {
      this.#checkMode(type, MODE_FILE)
      return { kind: 'file', ...node, size: contentSize, reference: null }
    }
    if (type === PAYLOAD_REF) {
      this.#checkMode(type, MODE_FILE)
      if (content.length !== 16) throw invalid(badSize('payload reference', content.length, 16))
      const reference = { offset: u64(content, 0), size: u64(content, 8) }
      return { kind: 'file', ...node, size: reference.size, reference }
    }
    if (type === SYMLINK) {
      this.#checkMode(type, MODE_SYMLINK)
      return { kind: 'symlink', ...node, target: withoutTerminator(content) }
    }
    if (type !== DEVICE) return null
    checkFixedSize(type, content)
    const isBlock = this.#modeType() === MODE_BLOCK_DEVICE
    this.#checkMode(type, isBlock ? MODE_BLOCK_DEVICE : MODE_CHAR_DEVICE)
    const kind = isBlock ? 'block-device' : 'char-device'
    return { kind, ...node, major: u64(content, 0), minor: u64(content, 8) }
  }

  /** The entry of a node that has no content item: directory, FIFO or socket by its mode. */
  finishWithout(): TreeEntry {
    const node = { name: this.#name, metadata: this.#metadata() }
    switch (this.#modeType()) {
      case MODE_FIFO:
        return { kind: 'fifo', ...node }
      case MODE_SOCKET:
        return { kind: 'socket', ...node }
      case MODE_DIRECTORY:
        return { kind: 'directory', ...node }
      default:
        throw invalid(`entry of mode ${this.#modeText()} without content item`)
    }
  }

  #metadata(): EntryMetadata {
    const base = this.#base as EntryMetadata
    return {
      ...base,
      xattrs: this.#xattrs,
      acl: this.#hasAcl ? this.#acl : null,
      fcaps: this.#fcaps,
      quotaProjectId: this.#quotaProjectId,
    }
  }

  #modeType(): number {
    return (this.#base as EntryMetadata).mode & MODE_TYPE_MASK
  }

  #modeText(): string {
    return `0${(this.#base as EntryMetadata).mode.toString(8)}`
  }

  #checkMode(type: ItemType, modeType: number): void {
    if (this.#modeType() === modeType) return
    throw invalid(`unexpected ${type.name} in entry of mode ${this.#modeText()}`)
  }

  #setFcaps(content: Uint8Array): void {
    if (this.#fcaps !== null) throw invalid(multiple(FCAPS))
    this.#fcaps = Buffer.from(content)
  }

  #setQuotaProjectId(content: Uint8Array): void {
    checkFixedSize(QUOTA_PROJID, content)
    if (this.#quotaProjectId !== null) throw invalid(multiple(QUOTA_PROJID))
    this.#quotaProjectId = u64(content, 0)
  }

  #addAcl(type: ItemType, content: Uint8Array): void {
    checkFixedSize(type, content)
    this.#hasAcl = true
    const acl = this.#acl
    if (type === ACL_GROUP_OBJ) {
      if (acl.groupObj !== null) throw invalid(multiple(type))
      acl.groupObj = u64(content, 0)
    } else if (type === ACL_DEFAULT) {
      if (acl.default !== null) throw invalid(multiple(type))
      acl.default = parseAclDefault(content)
    } else {
      const list = aclList(acl, type)
      list.push({ id: u64(content, 0), permissions: u64(content, 8) })
    }
  }
}

/** Target and distance of a HARDLINK item. Errors: PXAR_INVALID. */
export function parseHardlink(name: Buffer, content: Uint8Array): TreeEntry {
  if (content.length <= 8) throw invalid('bad hardlink entry (too small)')
  const target = withoutTerminator(content.subarray(8))
  return { kind: 'hardlink', name, back: u64(content, 0), target }
}

/** Name of a FILENAME item, copied. Errors: PXAR_INVALID. */
export function parseFilename(content: Uint8Array): Buffer {
  const isTerminated = content.length > 0 && content[content.length - 1] === 0
  if (!isTerminated) throw invalid('illegal path found (missing terminating zero)')
  const name = withoutTerminator(content)
  checkName(name)
  return name
}

/** Whether an item of `type` may stand between ENTRY and the content item. */
function isAttribute(type: ItemType): boolean {
  return type === XATTR || (WHAT.has(type) && type !== DEVICE)
}

function parseEntry(type: ItemType, content: Uint8Array): EntryMetadata {
  const size = type.size ?? content.length
  if (content.length !== size) throw invalid(badSize('entry', content.length, size))
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength)
  const mode = view.getUint32(0, true)
  if (mode > 0xffff || view.getUint32(4, true) !== 0) throw invalid('entry mode out of range')
  const isOld = type === ENTRY_V1
  const nanoseconds = isOld ? view.getBigUint64(24, true) : 0n
  const seconds = isOld ? nanoseconds / NANOSECONDS : view.getBigInt64(24, true)
  const mtimeSec = Number(seconds)
  if (!Number.isSafeInteger(mtimeSec)) throw invalid('entry mtime out of range')
  return {
    mode,
    // Only bits of the low word have a meaning; stock ignores the others as well.
    flags: view.getUint32(8, true),
    uid: view.getUint32(16, true),
    gid: view.getUint32(20, true),
    mtimeSec,
    mtimeNsec: isOld ? Number(nanoseconds % NANOSECONDS) : view.getUint32(32, true),
    xattrs: [],
    acl: null,
    fcaps: null,
    quotaProjectId: null,
  }
}

function parseXattr(content: Uint8Array): Xattr {
  const end = content.indexOf(0)
  if (end < 0) throw invalid('missing value separator in xattr')
  return {
    name: Buffer.from(content.subarray(0, end)),
    value: Buffer.from(content.subarray(end + 1)),
  }
}

function parseAclDefault(content: Uint8Array): AclDefault {
  return {
    userObj: u64OrAbsent(content, 0),
    groupObj: u64OrAbsent(content, 8),
    other: u64OrAbsent(content, 16),
    mask: u64OrAbsent(content, 24),
  }
}

interface AclParts {
  users: AclPermission[]
  groups: AclPermission[]
  groupObj: number | null
  default: AclDefault | null
  defaultUsers: AclPermission[]
  defaultGroups: AclPermission[]
}

function emptyAcl(): AclParts {
  return {
    users: [],
    groups: [],
    groupObj: null,
    default: null,
    defaultUsers: [],
    defaultGroups: [],
  }
}

function aclList(acl: AclParts, type: ItemType): AclPermission[] {
  if (type === ACL_USER) return acl.users
  if (type === ACL_GROUP) return acl.groups
  return type === ACL_DEFAULT_USER ? acl.defaultUsers : acl.defaultGroups
}

function withoutTerminator(content: Uint8Array): Buffer {
  return Buffer.from(content.subarray(0, Math.max(content.length - 1, 0)))
}

function u64OrAbsent(content: Uint8Array, offset: number): number | null {
  const high = readU32le(content, offset + 4)
  if (high === 0xffffffff && readU32le(content, offset) === 0xffffffff) return null
  return u64(content, offset)
}

function u64(content: Uint8Array, offset: number): number {
  const value = readU32le(content, offset + 4) * U32_RANGE + readU32le(content, offset)
  if (!Number.isSafeInteger(value)) throw invalid('64-bit value out of range')
  return value
}

function checkFixedSize(type: ItemType, content: Uint8Array): void {
  if (content.length === type.size) return
  throw invalid(badSize(WHAT.get(type) ?? type.name, content.length, type.size ?? 0))
}

function badSize(what: string, size: number, expected: number): string {
  return `bad ${what} size: ${size} (expected ${expected})`
}

function multiple(type: ItemType): string {
  return `multiple ${WHAT.get(type) ?? type.name} entries detected`
}

function invalid(text: string): Error {
  return errors.PXAR_INVALID({ text })
}
