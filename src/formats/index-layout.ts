/**
 * Where the digests of an index file lie, from its header and size alone: for whoever reads digests piece by piece and
 * never needs the whole file in memory (formats.md 4, 5).
 */
import { INDEX_HEADER_SIZE } from './archive-index.ts'
import { DIGEST_SIZE } from './digest.ts'
import { DYNAMIC_ENTRY_SIZE } from './dynamic-index.ts'
import { errors } from './errors.ts'
import { FIXED_INDEX_SIZE_OFFSET } from './fixed-index.ts'
import { decodeIndexHeader, type IndexHeader, viewOf } from './index-header.ts'
import { DYNAMIC_INDEX_MAGIC, FIXED_INDEX_MAGIC } from './magic.ts'

export interface IndexLayout {
  readonly kind: 'fixed' | 'dynamic'
  /** Borrowed. */
  readonly header: IndexHeader
  /** Chunks, at least 1. */
  readonly count: number
  /** Bytes of an entry. */
  readonly stride: number
  /** Of the digest in its entry. */
  readonly digestOffset: number
  /** Plain bytes of the archive; null if only the last entry says it. */
  readonly size: number | null
}

/** The kind of index that the file name says, or null. */
export function indexKindOf(name: string): 'fixed' | 'dynamic' | null {
  if (name.endsWith('.fidx')) return 'fixed'
  return name.endsWith('.didx') ? 'dynamic' : null
}

/** `header`: the first 4096 bytes, `fileSize` that of the whole file. Throws INDEX_… errors with stock's texts. */
export function decodeIndexLayout(
  kind: 'fixed' | 'dynamic',
  header: Uint8Array,
  fileSize: number,
): IndexLayout {
  if (header.length < INDEX_HEADER_SIZE) throw errors.INDEX_TOO_SMALL({ size: header.length })
  const bodySize = fileSize - INDEX_HEADER_SIZE
  if (kind === 'fixed') return fixedLayout(header, bodySize)
  const decoded = decodeIndexHeader(header, DYNAMIC_INDEX_MAGIC)
  if (bodySize % DYNAMIC_ENTRY_SIZE !== 0) throw errors.INDEX_BODY_SIZE_WRONG({})
  if (bodySize === 0) throw errors.INDEX_EMPTY({})
  return {
    kind,
    header: decoded,
    count: bodySize / DYNAMIC_ENTRY_SIZE,
    stride: DYNAMIC_ENTRY_SIZE,
    digestOffset: DYNAMIC_ENTRY_SIZE - DIGEST_SIZE,
    size: null,
  }
}

function fixedLayout(header: Uint8Array, bodySize: number): IndexLayout {
  const decoded = decodeIndexHeader(header, FIXED_INDEX_MAGIC)
  const view = viewOf(header)
  const size = view.getBigUint64(FIXED_INDEX_SIZE_OFFSET, true)
  const chunkSize = view.getBigUint64(FIXED_INDEX_SIZE_OFFSET + 8, true)
  if (chunkSize === 0n || (chunkSize & (chunkSize - 1n)) !== 0n) {
    throw errors.INDEX_CHUNK_SIZE_INVALID({ chunkSize })
  }
  const count = (size + chunkSize - 1n) / chunkSize
  const expected = count * BigInt(DIGEST_SIZE)
  if (expected !== BigInt(bodySize)) {
    throw errors.INDEX_FILE_SIZE_WRONG({ expected, actual: bodySize })
  }
  if (count === 0n) throw errors.INDEX_SIZE_INVALID({})
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw errors.INDEX_END_TOO_LARGE({ end: size })
  return {
    kind: 'fixed',
    header: decoded,
    count: Number(count),
    stride: DIGEST_SIZE,
    digestOffset: 0,
    size: Number(size),
  }
}
