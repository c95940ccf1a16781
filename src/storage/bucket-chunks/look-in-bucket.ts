/**
 * Looks whether many chunks are there: the ledger first, in steps that others run between; what it does not know is
 * asked for under its gate (races.md R-65).
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { mapConcurrent } from '../../base/async/map-concurrent.ts'
import { toError } from '../../base/errors.ts'
import { type Digest, digestFromBytes, DIGEST_SIZE } from '../../formats/digest.ts'
import type { ChunkLook, LookFailure } from '../chunk-backend.ts'
import type { ChunkGate } from './chunk-gate.ts'

/** Two to four milliseconds of look-ups in the ledger. */
const KNOWN_PER_STEP = 256
/** HEAD requests on their way at once, for one look. */
const HEADS_AT_ONCE = 16
/** More missing digests than this say nothing new, and none is needed to fail a session. */
const MISSING_MAX = 1000

export interface BucketLookSteps {
  readonly gate: ChunkGate
  readonly signal?: AbortSignal | undefined
  /** Whether the ledger says that the chunk at `offset` is there. */
  isKnownAt(bytes: Uint8Array, offset: number): boolean
  /** Asks for one chunk under its gate: whether it is there. */
  ask(digest: Digest, signal?: AbortSignal): Promise<boolean>
}

/** Looks at all `digests` (packed); see `ChunkBackend.lookMany`. The look ends at the first failure, or at 1,000 missing ones. */
export async function lookInBucket(
  digests: Uint8Array,
  steps: BucketLookSteps,
): Promise<ChunkLook> {
  const { signal } = steps
  const missing = new Set<Digest>()
  let failure: LookFailure | null = null
  const looks = mapConcurrent(
    unknownOf(digests, steps),
    { concurrency: HEADS_AT_ONCE, signal, ordered: false },
    async (digest) => await askSafely(digest, steps),
  )
  for await (const { digest, isThere, error } of looks) {
    if (error !== null) failure ??= { digest, error }
    else if (!isThere) missing.add(digest)
    if (failure !== null || missing.size >= MISSING_MAX) break
  }
  signal?.throwIfAborted()
  return { missing: [...missing], failure }
}

/** Digests that the ledger does not vouch for, each once as long as a step is. */
async function* unknownOf(digests: Uint8Array, steps: BucketLookSteps): AsyncGenerator<Digest> {
  const step = KNOWN_PER_STEP * DIGEST_SIZE
  for (let start = 0; start < digests.length; start += step) {
    const end = Math.min(start + step, digests.length)
    const unknown = new Set<Digest>()
    for (let offset = start; offset < end; offset += DIGEST_SIZE) {
      if (!isCertain(digests, offset, steps)) unknown.add(digestFromBytes(digests, offset))
    }
    yield* unknown
    await nextTurn()
    steps.signal?.throwIfAborted()
  }
}

/** What the ledger says while somebody holds the gate may be about to change. */
function isCertain(digests: Uint8Array, offset: number, steps: BucketLookSteps): boolean {
  const { gate } = steps
  if (gate.size > 0 && gate.isHeld(digestFromBytes(digests, offset))) return false
  return steps.isKnownAt(digests, offset)
}

async function askSafely(digest: Digest, steps: BucketLookSteps) {
  const { gate, signal } = steps
  try {
    using _gate = await gate.acquire(digest, signal)
    return { digest, isThere: await steps.ask(digest, signal), error: null }
  } catch (error) {
    if (signal?.aborted === true) throw error
    return { digest, isThere: false, error: toError(error) }
  }
}
