/** Positional reads over bytes of known size: what accessors and the catalog reader ask for. */

export interface RandomReader {
  /** Total size in bytes. */
  readonly size: number
  /** Exactly `size` bytes at `offset`; both lie inside the source. The bytes may be borrowed. */
  read(offset: number, size: number): Promise<Uint8Array>
}

/** A RandomReader over bytes in memory. */
export function bytesReader(bytes: Uint8Array): RandomReader {
  return {
    size: bytes.length,
    read(offset, size) {
      return Promise.resolve(bytes.subarray(offset, offset + size))
    },
  }
}
