/** One index into marks: the part that does not touch files, fed piece by piece by either engine. */
import { toError } from '../../base/errors.ts'
import { INDEX_HEADER_SIZE, INDEX_UUID_SIZE } from '../../formats/archive-index.ts'
import { decodeIndexLayout, indexKindOf, type IndexLayout } from '../../formats/index-layout.ts'
import { INDEX_COMMON_HEADER_SIZE } from '../../formats/index-header.ts'
import { osErrorText } from '../../storage/os-error-text.ts'
import { quote } from '../debug-text.ts'
import { errors } from '../errors.ts'
import type { IndexIdentity, ReadIndex } from './engine.ts'
import type { Marks } from './marks.ts'
import { Runs } from './runs.ts'

/** The magic says nothing that the name does not. */
const IDENTITY_OFFSET = 8
/** Read at once: large enough for the disk, small enough to stay in the processor's cache until it is marked. */
export const PIECE_SIZE = 1 << 20
/** So many entries of either kind fill pages: pieces begin with one, which the kernel copies faster. */
const PAGES_ENTRIES = 512

/** What `stat` says of an opened index. */
export interface IndexStat {
  readonly dev: bigint
  readonly ino: bigint
  readonly ctimeNs: bigint
  readonly size: number
  readonly isFile: boolean
}

export class IndexMarker {
  readonly #path: string
  readonly #marks: Marks
  readonly #runs = new Runs()
  readonly #layout: IndexLayout
  readonly #identity: IndexIdentity
  #done = 0
  #lastEnd = 0

  /** `header`: the first 4096 bytes, or all of a shorter file. Throws INDEX_… errors. */
  constructor(path: string, options: { header: Uint8Array; stat: IndexStat; marks: Marks }) {
    const { header, stat, marks } = options
    this.#path = path
    this.#marks = marks
    if (!stat.isFile) throw new Error('not a regular file')
    this.#layout = decodeIndexLayout(indexKindOf(path) ?? 'fixed', header, stat.size)
    this.#identity = identityFrom(stat, header)
  }

  /** Where the next piece begins in the file and how long it is; null when all was read. */
  get next(): { readonly position: number; readonly length: number } | null {
    const { count, stride } = this.#layout
    if (this.#done === count) return null
    const most = Math.floor(PIECE_SIZE / stride / PAGES_ENTRIES) * PAGES_ENTRIES
    const entries = Math.min(count - this.#done, most)
    return { position: INDEX_HEADER_SIZE + this.#done * stride, length: entries * stride }
  }

  /** Marks the entries of the piece that `next` asked for, which must be whole. */
  feed(piece: Uint8Array): void {
    const { stride, digestOffset, size } = this.#layout
    const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength)
    const count = piece.byteLength / stride
    this.#marks.addMany({ view, start: digestOffset, stride, count }, this.#runs)
    this.#done += count
    const last = (count - 1) * stride
    if (size === null) {
      this.#lastEnd = view.getUint32(last + 4, true) * 2 ** 32 + view.getUint32(last, true)
    }
  }

  result(): ReadIndex {
    const { count, size } = this.#layout
    return {
      path: this.#path,
      identity: this.#identity,
      chunkCount: count,
      size: size ?? this.#lastEnd,
      runs: this.#runs.take(),
    }
  }
}

/** What an index is, by its file and by what its header says. */
export function identityFrom(stat: IndexStat, header: Uint8Array): IndexIdentity {
  const { dev, ino, ctimeNs, size: fileSize } = stat
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength)
  const text = bytes.toString('hex', IDENTITY_OFFSET, INDEX_COMMON_HEADER_SIZE)
  return { dev, ino, ctimeNs, fileSize, header: text }
}

/** Hex digits. */
export function uuidOf({ header }: IndexIdentity): string {
  return header.slice(0, 2 * INDEX_UUID_SIZE)
}

export function isSameIndex(a: IndexIdentity, b: IndexIdentity): boolean {
  const isSameFile = a.dev === b.dev && a.ino === b.ino && a.ctimeNs === b.ctimeNs
  return isSameFile && a.fileSize === b.fileSize && a.header === b.header
}

/** An index that is shorter than a moment ago is damaged, or the disk is. */
export function checkWhole(path: string, read: number, wanted: number): void {
  if (read === wanted) return
  throw new Error(`read ${read} of ${wanted} bytes of '${path}'`)
}

/** The error of an index that could not be opened or read, with stock's text. */
export function markFailure(path: string, thrown: unknown): Error {
  const error: NodeJS.ErrnoException = toError(thrown)
  const isSystem = error.syscall !== undefined
  const kind = path.endsWith('.fidx') ? 'fixed' : 'dynamic'
  const what = isSystem ? 'file' : `${kind} index`
  const text = isSystem ? osErrorText(error) : error.message
  const reason = `can't open ${what} '${quote(path)}': ${text}`
  return errors.COLLECTION_MARK_FAILED({ reason }, { cause: error })
}
