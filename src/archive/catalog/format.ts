/**
 * Layout of catalogs (formats.md 8, pxar.md 15).
 *
 * ```
 * catalog = magic table* root-table start(u64)      children's tables before their parents'
 * table   = varint(size of the rest) varint(number of entries) entry*
 * entry   = kind(1 byte) varint(name size) name [d: varint distance | f: varint size, varint mtime]
 * ```
 *
 * Varints hold 7 bits a byte, low group first, bit 7 set on all bytes but the last. A negative number
 * is its absolute value with bit 7 set on all bytes, then a zero byte.
 */
import type { ByteWriter } from '../../base/bytes.ts'
import { errors } from '../errors.ts'

export const CATALOG_MAGIC = Uint8Array.of(0x91, 0xfd, 0x60, 0xf9, 0xc4, 0x67, 0x58, 0xd5)
/** The u64 at the end: where the root table starts. */
export const CATALOG_TAIL_SIZE = 8
/** Readers refuse names of this size and above. */
export const CATALOG_NAME_SIZE_END = 4096
export const VARINT_SIZE_MAX = 11

export type CatalogLeafKind =
  | 'symlink'
  | 'hardlink'
  | 'block-device'
  | 'char-device'
  | 'fifo'
  | 'socket'

export type CatalogKind = CatalogLeafKind | 'directory' | 'file'

const CODES: Readonly<Record<CatalogKind, number>> = {
  directory: 0x64,
  file: 0x66,
  symlink: 0x6c,
  hardlink: 0x68,
  'block-device': 0x62,
  'char-device': 0x63,
  fifo: 0x70,
  socket: 0x73,
}
const KINDS = new Map(Object.entries(CODES).map(([kind, code]) => [code, kind as CatalogKind]))

export function catalogCode(kind: CatalogKind): number {
  return CODES[kind]
}

/** The kind of a type byte. Errors: CATALOG_INVALID. */
export function parseCatalogCode(code: number): CatalogKind {
  const kind = KINDS.get(code)
  if (kind !== undefined) return kind
  const text = `invalid CatalogEntryType value '${String.fromCharCode(code)}'`
  throw errors.CATALOG_INVALID({ text })
}

/** Appends `value`, a safe integer of at least 0. */
export function writeVarint(out: ByteWriter, value: number): void {
  let rest = value
  while (rest >= 0x80) {
    out.u8((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  out.u8(rest)
}

/** Appends `value`, a safe integer that may be negative. */
export function writeSignedVarint(out: ByteWriter, value: number): void {
  if (value >= 0) return writeVarint(out, value)
  for (let rest = -value; rest > 0; rest = Math.floor(rest / 0x80)) out.u8((rest % 0x80) | 0x80)
  out.u8(0)
}

export interface Varint {
  readonly value: number
  /** Position after it. */
  readonly end: number
}

/** The unsigned number at `start`. Errors: CATALOG_INVALID. */
export function readVarint(bytes: Uint8Array, start: number): Varint {
  let value = 0
  let unit = 1
  for (let at = start; at < start + 10 && at < bytes.length; at++) {
    const byte = bytes[at] as number
    value += (byte & 0x7f) * unit
    unit *= 0x80
    if (byte < 0x80) return { value: checkedNumber(value), end: at + 1 }
  }
  throw errors.CATALOG_INVALID({ text: 'decode_u64 failed - missing end marker' })
}

/** The signed number at `start`. Errors: CATALOG_INVALID. */
export function readSignedVarint(bytes: Uint8Array, start: number): Varint {
  let value = 0
  let unit = 1
  for (let at = start; at < start + VARINT_SIZE_MAX && at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (byte === 0) return { value: at === start ? 0 : -checkedNumber(value), end: at + 1 }
    value += (byte & 0x7f) * unit
    unit *= 0x80
    if (byte < 0x80) return { value: checkedNumber(value), end: at + 1 }
  }
  throw errors.CATALOG_INVALID({ text: 'decode_i64 failed - missing end marker' })
}

function checkedNumber(value: number): number {
  if (Number.isSafeInteger(value)) return value
  throw errors.CATALOG_INVALID({ text: 'number out of range in catalog' })
}
