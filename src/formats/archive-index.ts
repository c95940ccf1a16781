/** What both kinds of index share: the ordered list of chunks that rebuilds an archive. */
import type { Digest } from './digest.ts'

/** Both headers fill this many bytes; entries follow. */
export const INDEX_HEADER_SIZE = 4096
export const INDEX_UUID_SIZE = 16

export interface ArchiveIndex {
  readonly kind: 'fixed' | 'dynamic'
  /** Number of chunks, at least 1. */
  readonly count: number
  /** Plain bytes of the archive. */
  readonly size: number
  /** 16 bytes, borrowed. */
  readonly uuid: Uint8Array
  /** Unix seconds. */
  readonly createdAt: number
  /** The checksum the header states, 32 bytes, borrowed. Never trusted: compare `computeCsum` with the manifest. */
  readonly headerCsum: Uint8Array
  /** The checksum of the entries, 32 bytes; hashes the whole index on this thread (0.7 ms a MiB). */
  computeCsum(): Uint8Array
  digestAt(index: number): Digest
  /** The 32 bytes of a digest, borrowed. */
  digestBytes(index: number): Uint8Array
  /** Where the digest lies, for tables that need no text. */
  digestLocation(index: number): DigestLocation
  /** First byte of chunk `index` in the archive. */
  startOf(index: number): number
  /** One past its last byte. */
  endOf(index: number): number
  sizeOf(index: number): number
  /** The chunk that holds byte `offset`. Throws INDEX_OFFSET_OUT_OF_RANGE. */
  chunkAt(offset: number): number
  /** All digests in order. */
  digests(): IterableIterator<Digest>
}

export interface DigestLocation {
  readonly bytes: Uint8Array
  readonly offset: number
}

/** An index that somebody writes: what its header needs. */
export interface IndexIdentity {
  /** 16 bytes. */
  readonly uuid: Uint8Array
  /** Unix seconds. */
  readonly createdAt: number
}
