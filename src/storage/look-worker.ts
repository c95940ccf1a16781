/** Script of the storage threads: what is many small file calls in a row, made synchronously. */
import { serveWorker } from '../base/async/serve-worker.ts'
import { type CreateFoldersTask, createPrefixFolders } from './prefix-folders.ts'
import { lookChunks, type LookRequest } from './look-chunks.ts'

export type StorageTask = ({ readonly kind: 'look' } & LookRequest) | CreateFoldersTask

serveWorker((input, context): unknown => {
  const task = input as StorageTask
  switch (task.kind) {
    case 'look':
      return lookChunks(task, () => context.throwIfAborted())
    case 'create-folders':
      return createPrefixFolders(task, {
        onPercent: (percent) => context.tell(percent),
        check: () => context.throwIfAborted(),
      })
    default:
      return task satisfies never
  }
})
