/**
 * What is wrong with a chunk, decided once for every way of running it (datastore-semantics.md 11.3).
 *
 * `judgeChunk` is a generator that asks for the heavy work (checksum, decompression, digest) and never does any: a
 * thread answers each request at once, the main thread lets libuv's pool answer.
 */
import { CHUNK_SIZE_MAX, inspectBlob } from '../../formats/data-blob.ts'
import type { Digest } from '../../formats/digest.ts'
import { errors as formatErrors } from '../../formats/errors.ts'
import { isCorrupt } from '../../storage/chunk-check.ts'

export type ProblemKind =
  /** There is no file, or an empty one. */
  | 'missing'
  /** The disk or the system failed: nothing is known of the chunk, so it stays where it is (races.md R-31). */
  | 'unreadable'
  /** Its container is damaged: too short, unknown magic, wrong CRC. */
  | 'broken'
  /** Encrypted where the manifest says plain, or the other way round. */
  | 'mode'
  /** The content cannot be decompressed, or has another digest. */
  | 'content'
  /** The right content, but the index gives another length: that is the index's fault. */
  | 'length'

export interface ChunkProblem {
  readonly kind: ProblemKind
  /** For the task log. */
  readonly text: string
}

/** What a problem leads to: `corrupt` for the rest of the run, `renames` out of the way of the next upload. */
export const CONSEQUENCES: Readonly<
  Record<ProblemKind, { readonly corrupt: boolean; readonly renames: boolean }>
> = Object.freeze({
  missing: { corrupt: true, renames: false },
  unreadable: { corrupt: false, renames: false },
  broken: { corrupt: true, renames: true },
  mode: { corrupt: false, renames: false },
  content: { corrupt: true, renames: true },
  length: { corrupt: false, renames: false },
})

export interface ExpectedChunk {
  readonly digest: Digest
  /** Plain bytes, by the index. */
  readonly size: number
  /** By the manifest. */
  readonly encrypted: boolean
}

/** Work that `judgeChunk` asks for; the answer is the sum, the content, or the digest in hex. */
export type JudgeStep =
  | { readonly kind: 'crc'; readonly bytes: Uint8Array }
  | { readonly kind: 'decompress'; readonly bytes: Uint8Array; readonly sizeMax: number }
  | { readonly kind: 'sha256'; readonly bytes: Uint8Array }
export type JudgeAnswer = number | Uint8Array | string

/** What is wrong with the stored bytes `blob`; null if nothing is. Encrypted ones are checked by their CRC only. */
export function* judgeChunk(
  blob: Uint8Array,
  expected: ExpectedChunk,
): Generator<JudgeStep, ChunkProblem | null, JudgeAnswer> {
  let payload: Uint8Array
  let isEncrypted: boolean
  let isCompressed: boolean
  try {
    const info = inspectBlob(blob)
    payload = blob.subarray(info.headerSize)
    isEncrypted = info.encrypted
    isCompressed = info.compressed
    if ((yield { kind: 'crc', bytes: payload }) !== info.crc) throw formatErrors.BLOB_CRC_WRONG({})
  } catch (error) {
    if (!isCorrupt(error)) throw error
    return { kind: 'broken', text: error.message }
  }
  if (isEncrypted !== expected.encrypted) {
    const text = `chunk CryptMode ${modeName(isEncrypted)} does not match index CryptMode ${modeName(expected.encrypted)}`
    return { kind: 'mode', text }
  }
  if (isEncrypted) return null
  return yield* judgeContent(payload, { ...expected, isCompressed })
}

function* judgeContent(
  payload: Uint8Array,
  expected: ExpectedChunk & { readonly isCompressed: boolean },
): Generator<JudgeStep, ChunkProblem | null, JudgeAnswer> {
  let plain = payload
  if (expected.isCompressed) {
    try {
      const step = { kind: 'decompress', bytes: payload, sizeMax: CHUNK_SIZE_MAX } as const
      plain = (yield step) as Uint8Array
    } catch (error) {
      if (!isCorrupt(error)) throw error
      return { kind: 'content', text: error.message }
    }
  }
  if ((yield { kind: 'sha256', bytes: plain }) !== expected.digest) {
    return { kind: 'content', text: formatErrors.CHUNK_DIGEST_WRONG({}).message }
  }
  if (plain.length === expected.size) return null
  const lengths = { expected: expected.size, actual: plain.length }
  return { kind: 'length', text: formatErrors.CHUNK_LENGTH_WRONG(lengths).message }
}

function modeName(isEncrypted: boolean): string {
  return isEncrypted ? 'Encrypt' : 'None'
}
