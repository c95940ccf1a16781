/**
 * Verification of chunks in a bucket: each is fetched from there and from no copy of it, several at once, and judged in
 * libuv's pool. What a connection does says nothing about a chunk (races.md R-31), nor of its snapshot: it is thrown.
 */
import { forEachConcurrent } from '../../base/async/map-concurrent.ts'
import { hasCode, toError } from '../../base/errors.ts'
import { isNoAnswer } from '../../storage/s3/errors.ts'
import { digestFromBytes, DIGEST_SIZE } from '../../formats/digest.ts'
import type { Datastore } from '../datastore.ts'
import type { ExpectedChunk } from './judge-chunk.ts'
import { judgeInPool } from './run-judge.ts'
import type { ChunkFinding, SliceResult, VerifyEngine, VerifySlice } from './verify-slice.ts'

/** Chunks on their way, 4 MiB each: an answer takes most of its time to begin. */
const GETS_AT_ONCE = 8

/** One slice at a time: its chunks are fetched side by side. */
export function bucketEngine(
  store: Datastore,
  threads: { readonly readThreads: number },
): VerifyEngine {
  const getsAtOnce = Math.max(GETS_AT_ONCE, threads.readThreads)
  return {
    slicesAtOnce: 1,
    check: async (slice, signal) => await checkSlice(store, slice, { getsAtOnce, signal }),
    order: async (digests) => await Promise.resolve(inTurn(digests.length / DIGEST_SIZE)),
    [Symbol.asyncDispose]: async () => {},
  }
}

async function checkSlice(
  store: Datastore,
  slice: VerifySlice,
  options: { readonly getsAtOnce: number; readonly signal: AbortSignal },
): Promise<SliceResult> {
  const { getsAtOnce: concurrency, signal } = options
  const findings: ChunkFinding[] = []
  let readSize = 0
  let decodedSize = 0
  await forEachConcurrent(
    slice.sizes.entries(),
    { concurrency, signal },
    async ([position, size]) => {
      const digest = digestFromBytes(slice.digests, position * DIGEST_SIZE)
      const expected = { digest, size, encrypted: slice.encrypted }
      const { blobSize, problem } = await checkChunk(store, expected)
      readSize += blobSize
      if (blobSize > 0) decodedSize += size
      if (problem !== null) findings.push({ position, ...problem })
    },
  )
  findings.sort((a, b) => a.position - b.position)
  return { findings, readSize, decodedSize, waitCount: slice.sizes.length }
}

async function checkChunk(
  store: Datastore,
  expected: ExpectedChunk,
): Promise<{ readonly blobSize: number; readonly problem: Omit<ChunkFinding, 'position'> | null }> {
  let blob: Uint8Array
  try {
    blob = await store.chunks.read(expected.digest, undefined, { from: 'origin' })
  } catch (error) {
    const { message, cause } = toError(error)
    if (isNoAnswer(cause)) throw cause
    const kind = hasCode(cause, 'CHUNK_MISSING') ? 'missing' : 'unreadable'
    return { blobSize: 0, problem: { kind, text: message } }
  }
  return { blobSize: blob.length, problem: await judgeInPool(blob, expected) }
}

/** Objects have no inodes. */
function inTurn(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_value, index) => index)
}
