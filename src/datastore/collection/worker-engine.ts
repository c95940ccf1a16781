/** The engine for the machine's own files: threads that end with the run and take their memory with them. */
import { WorkerPool } from '../../base/async/worker-pool.ts'
import type { CollectionTask } from './collection-worker.ts'
import type { CollectionEngine, ListAnswer, MarkAnswer, UnlinkAnswer } from './engine.ts'
import type { MarksState } from './marks.ts'

/** Two folders at once keep a disk busy. */
const LIST_THREADS = 2
/** So that no thread waits for its next folders. */
const LISTS_WAITING = 2
/** Of 65,536: some ten thousand chunks of a large store. */
const FOLDERS_PER_LIST = 256

export function workerEngine(): CollectionEngine {
  const url = new URL('./collection-worker.ts', import.meta.url)
  const pool = new WorkerPool(url, { size: LIST_THREADS })
  // They take a tenth of a second to begin, while the store is looked at.
  for (let index = 0; index < LIST_THREADS; index += 1)
    void pool.run({ kind: 'none' }).catch(() => {})
  // One of its own: who holds gates must not wait behind lists.
  const unlinkers = new WorkerPool(url, { size: 1 })
  const run = async <Answer>(task: CollectionTask, signal?: AbortSignal): Promise<Answer> =>
    await pool.run<Answer>(task, signal === undefined ? {} : { signal })
  return {
    listsAtOnce: LIST_THREADS + LISTS_WAITING,
    foldersPerList: FOLDERS_PER_LIST,
    mark: async (request, { signal }) =>
      await run<MarkAnswer>({ kind: 'mark', ...request }, signal),
    compare: async (request, { signal }) =>
      await run<boolean[]>({ kind: 'compare', ...request }, signal),
    restore: async (request, { signal }) =>
      await run<MarksState>({ kind: 'restore', ...request }, signal),
    list: async (request, { signal }) =>
      await run<ListAnswer>({ kind: 'list', ...request }, signal),
    unlink: async (request) => {
      const task: CollectionTask = { kind: 'unlink', ...request }
      return await unlinkers.run<UnlinkAnswer>(task)
    },
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]()
      await unlinkers[Symbol.asyncDispose]()
    },
  }
}
