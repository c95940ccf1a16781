/** Verification of the chunks of one index, each chunk once per task (datastore-semantics.md 11.3). */
import { forEachConcurrent } from '../../base/async/map-concurrent.ts'
import { hasCode, toError } from '../../base/errors.ts'
import type { Progress } from '../../base/progress.ts'
import type { ArchiveIndex } from '../../formats/archive-index.ts'
import { decodeChunk } from '../../formats/chunk.ts'
import { checkBlobCrc } from '../../formats/data-blob.ts'
import type { Digest } from '../../formats/digest.ts'
import { DigestSet } from '../../formats/digest-map.ts'
import { isCorrupt, isWholeChunk } from '../../storage/chunk-check.ts'
import type { Datastore } from '../datastore.ts'
import { quote } from '../debug-text.ts'

/** What one task has found out so far. */
export class ChunkVerdicts {
  readonly verified = new DigestSet()
  readonly corrupt = new DigestSet()
}

export interface VerifyChunksOptions {
  readonly progress: Progress
  readonly verdicts: ChunkVerdicts
  /** What the manifest says of the archive's chunks. */
  readonly encrypted: boolean
}

export interface VerifyChunksResult {
  readonly errorCount: number
  readonly readSize: number
  readonly decodedSize: number
}

/** As stock's default number of decoders: it keeps two cores and a disk busy with 64 MiB at most. */
const VERIFIED_AT_ONCE = 4

/** Verifies all chunks of `index` that this task has not verified yet. Reasons go to the task log, one line each. */
export async function verifyChunks(
  store: Datastore,
  index: ArchiveIndex,
  options: VerifyChunksOptions,
): Promise<VerifyChunksResult> {
  const { progress, verdicts } = options
  const total = { errorCount: 0, readSize: 0, decodedSize: 0 }
  await forEachConcurrent(
    unverifiedPositions(index, verdicts),
    { concurrency: VERIFIED_AT_ONCE, signal: progress.signal },
    async (position) => {
      const digest = index.digestAt(position)
      if (verdicts.corrupt.has(digest)) {
        progress.log(`chunk ${digest} was marked as corrupt`)
        total.errorCount += 1
        return
      }
      const size = index.sizeOf(position)
      const result = await verifyChunk(store, { digest, size, encrypted: options.encrypted })
      total.readSize += result.readSize
      total.decodedSize += result.readSize === 0 ? 0 : size
      if (result.problem === null) verdicts.verified.add(digest)
      else {
        total.errorCount += 1
        if (result.problem.corrupt) verdicts.corrupt.add(digest)
        progress.log(result.problem.text)
        await setAside(store, digest, { ...result.problem, size, progress })
      }
    },
  )
  return total
}

interface Problem {
  readonly text: string
  /** Whether the chunk counts as corrupt for the rest of the task. */
  readonly corrupt: boolean
  /** Whether its file is to be renamed. */
  readonly renames: boolean
}

async function verifyChunk(
  store: Datastore,
  chunk: { readonly digest: Digest; readonly size: number; readonly encrypted: boolean },
): Promise<{ readonly readSize: number; readonly problem: Problem | null }> {
  const { digest, size } = chunk
  let blob: Uint8Array
  let isEncrypted: boolean
  try {
    blob = await store.chunks.read(digest)
    isEncrypted = checkBlobCrc(blob).encrypted
  } catch (error) {
    const { message } = toError(error)
    const text = `can't verify chunk, load failed - store '${store.name}', unable to load chunk '${digest}' - ${message}`
    // What cannot be read for another reason than its content stays where it is: the disk may come back.
    return { readSize: 0, problem: { text, corrupt: true, renames: isCorrupt(error) } }
  }
  const readSize = blob.length
  if (isEncrypted !== chunk.encrypted) {
    const text = `chunk CryptMode ${modeName(isEncrypted)} does not match index CryptMode ${modeName(chunk.encrypted)}`
    return { readSize, problem: { text, corrupt: false, renames: false } }
  }
  if (isEncrypted) return { readSize, problem: null }
  try {
    await decodeChunk(blob, { digest, size })
    return { readSize, problem: null }
  } catch (error) {
    if (!isCorrupt(error)) throw error
    // A wrong length under the right digest is the index's fault, not the chunk's.
    const renames = !hasCode(error, 'CHUNK_LENGTH_WRONG')
    return { readSize, problem: { text: error.message, corrupt: true, renames } }
  }
}

async function setAside(
  store: Datastore,
  digest: Digest,
  problem: Problem & { readonly size: number; readonly progress: Progress },
): Promise<void> {
  if (!problem.renames) return
  const { progress } = problem
  try {
    const place = await store.chunks.markBad(digest, async () => await isStillBad(store, digest))
    if (place !== null) progress.log(`corrupt chunk renamed to ${quote(place)}`)
  } catch (error) {
    if (!hasCode(error, 'PROCESS_LOCK_BUSY')) throw error
    progress.log(`corrupt chunk ${digest} stays for now: another process uses the datastore`)
  }
}

async function isStillBad(store: Datastore, digest: Digest): Promise<boolean> {
  try {
    return !(await isWholeChunk(digest, await store.chunks.read(digest)))
  } catch {
    // Gone or unreadable now: nothing that we judged is there to be renamed.
    return false
  }
}

function* unverifiedPositions(index: ArchiveIndex, verdicts: ChunkVerdicts): Generator<number> {
  const seen = new DigestSet({ capacity: index.count })
  for (let position = 0; position < index.count; position += 1) {
    const { bytes, offset } = index.digestLocation(position)
    if (seen.hasAt(bytes, offset) || verdicts.verified.hasAt(bytes, offset)) continue
    seen.addAt(bytes, offset)
    yield position
  }
}

function modeName(isEncrypted: boolean): string {
  return isEncrypted ? 'Encrypt' : 'None'
}
