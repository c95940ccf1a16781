/** The common part of `lookMany`: slices for fairness, then the chunks in doubt one by one. */
import { type Digest, digestFromBytes, DIGEST_SIZE } from '../formats/digest.ts'
import { toError } from '../base/errors.ts'
import { mapConcurrent } from '../base/async/map-concurrent.ts'
import type { ChunkLook, LookFailure } from './chunk-backend.ts'
import { errors } from './errors.ts'
import { inFolderOrder } from './folder-order.ts'
import type { LookAnswer } from './look-chunks.ts'

/** One slice is 20 ms of warm looks: sessions take turns, and an abort is heard soon. */
const SLICE_COUNT = 8192
/** Slices on their way at once: as many as there are threads, so that a cold disk gets several requests. */
const SLICES_AT_ONCE = 2
/** Doubtful chunks read at once; each is at most 16 MiB. */
const VERIFIED_AT_ONCE = 4
/** More missing digests than this say nothing new, and none is needed to fail a session. */
const MISSING_REPORTED_MAX = 1000

export interface LookSteps {
  readonly signal?: AbortSignal | undefined
  pathOf(digest: Digest): string
  look(packed: Uint8Array): Promise<LookAnswer>
  /** Whether a chunk in doubt turns out to be whole. */
  isWhole(digest: Digest): Promise<boolean>
}

/** Looks at all `digests` (packed); see `ChunkBackend.lookMany`. */
export async function lookAndVerify(digests: Uint8Array, steps: LookSteps): Promise<ChunkLook> {
  const missing = new Set<Digest>()
  let failure: LookFailure | null = null
  // One slice orders itself.
  const isLong = digests.length > SLICE_COUNT * DIGEST_SIZE
  const ordered = isLong ? await inFolderOrder(digests) : digests
  const slices = mapConcurrent(
    slicesOf(ordered),
    { concurrency: SLICES_AT_ONCE, signal: steps.signal },
    async (slice) => await lookAtSlice(slice, steps),
  )
  for await (const look of slices) {
    failure ??= look.failure
    for (const digest of look.missing) {
      if (missing.size < MISSING_REPORTED_MAX) missing.add(digest)
    }
    if (failure !== null) break
  }
  return { missing: [...missing], failure }
}

async function lookAtSlice(slice: Uint8Array, steps: LookSteps): Promise<ChunkLook> {
  const answer = await steps.look(slice)
  const missing = [...unpack(answer.missing)]
  if (answer.failure !== null) {
    const digest = answer.failure.digest as Digest
    const error = errors.CHUNK_LOOK_FAILED({
      path: steps.pathOf(digest),
      reason: answer.failure.text,
    })
    return { missing, failure: { digest, error } }
  }
  let failure: LookFailure | null = null
  const verified = mapConcurrent(
    unpack(answer.doubtful),
    { concurrency: VERIFIED_AT_ONCE, signal: steps.signal },
    async (digest) => await verify(digest, steps),
  )
  for await (const { digest, isWhole, error } of verified) {
    if (error !== null) failure ??= { digest, error }
    else if (!isWhole) missing.push(digest)
  }
  return { missing, failure }
}

async function verify(digest: Digest, steps: LookSteps) {
  try {
    return { digest, isWhole: await steps.isWhole(digest), error: null }
  } catch (error) {
    return { digest, isWhole: false, error: toError(error) }
  }
}

function* slicesOf(digests: Uint8Array): Generator<Uint8Array> {
  const step = SLICE_COUNT * DIGEST_SIZE
  for (let start = 0; start < digests.length; start += step) {
    yield digests.subarray(start, start + step)
  }
}

function* unpack(packed: Uint8Array): Generator<Digest> {
  for (let offset = 0; offset < packed.length; offset += DIGEST_SIZE) {
    yield digestFromBytes(packed, offset)
  }
}
