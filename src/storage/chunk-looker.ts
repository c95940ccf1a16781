/** Who looks at chunk files: worker threads for the machine's own files, awaited calls behind a given door. */
import { forEachConcurrent } from '../base/async/map-concurrent.ts'
import { WorkerPool } from '../base/async/worker-pool.ts'
import { isSystemError, toError } from '../base/errors.ts'
import type { FileStat, FileSystem } from '../base/fs/file-system.ts'
import { digestFromBytes, DIGEST_SIZE } from '../formats/digest.ts'
import type { LookAnswer, LookRequest } from './look-chunks.ts'
import type { StorageTask } from './look-worker.ts'

export interface ChunkLooker extends AsyncDisposable {
  /** Rejects with the signal's reason soon after it was aborted. */
  look(
    request: Omit<LookRequest, 'delayMs'>,
    options: { readonly signal: AbortSignal | undefined },
  ): Promise<LookAnswer>
}

/** Two, so that one slow disk does not hold up the looks at another; each thread costs 20 MB of memory. */
const WORKER_COUNT = 2
/** Awaited looks at once. */
const LOOKS_AT_ONCE = 32
const NANOSECONDS_PER_MS = 1e6

/** The script of the threads; `create.ts` of a datastore runs its own. */
export const STORAGE_WORKER_URL = new URL('./look-worker.ts', import.meta.url)

/** Looks in worker threads with synchronous calls; `delayMs` pretends a slow disk. */
export function workerLooker(options: { readonly delayMs?: number } = {}): ChunkLooker {
  const pool = new WorkerPool(STORAGE_WORKER_URL, { size: WORKER_COUNT })
  const delayMs = options.delayMs ?? 0
  return {
    async look(request, { signal }) {
      // The digests are a view of a large list: only this slice of it is to travel.
      const digests = request.digests.slice()
      const task: StorageTask = { kind: 'look', ...request, digests, delayMs }
      return await pool.run<LookAnswer>(task, signal === undefined ? {} : { signal })
    },
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  }
}

/** Looks through `fs`, so that tests can make them fail. */
export function doorLooker(fs: FileSystem): ChunkLooker {
  return {
    look: (request, options) => lookThrough(fs, request, options),
    [Symbol.asyncDispose]: async () => {},
  }
}

async function lookThrough(
  fs: FileSystem,
  request: Omit<LookRequest, 'delayMs'>,
  { signal }: { readonly signal: AbortSignal | undefined },
): Promise<LookAnswer> {
  const { folder, digests, doubt } = request
  const missing: Uint8Array[] = []
  const doubtful: Uint8Array[] = []
  let failure: LookAnswer['failure'] = null
  const options = { concurrency: LOOKS_AT_ONCE, signal }
  await forEachConcurrent(positions(digests), options, async (start) => {
    const digest = digestFromBytes(digests, start)
    try {
      const stat = await fs.lstat(`${folder}/${digest.slice(0, 4)}/${digest}`)
      if (stat.size === 0) missing.push(digests.subarray(start, start + DIGEST_SIZE))
      else if (isWithin(stat, doubt)) doubtful.push(digests.subarray(start, start + DIGEST_SIZE))
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) {
        missing.push(digests.subarray(start, start + DIGEST_SIZE))
      } else failure ??= { digest, code: '', text: toError(error).message }
    }
  })
  return { missing: Buffer.concat(missing), doubtful: Buffer.concat(doubtful), failure }
}

function* positions(digests: Uint8Array): Generator<number> {
  for (let start = 0; start < digests.length; start += DIGEST_SIZE) yield start
}

function isWithin(stat: FileStat, range: LookRequest['doubt']): boolean {
  if (range === null) return false
  const times = [Number(stat.mtimeNs), Number(stat.ctimeNs)].map((ns) => ns / NANOSECONDS_PER_MS)
  return times.some((timeMs) => timeMs >= range.fromMs && timeMs <= range.untilMs)
}
