/** Script of a collection's threads. */
import { serveWorker } from '../../base/async/serve-worker.ts'
import type {
  CompareRequest,
  ListRequest,
  MarkRequest,
  RestoreRequest,
  UnlinkRequest,
} from './engine.ts'
import { restoreMarks } from './marks.ts'
import { compareSync, listSync, markSync, unlinkManySync } from './sync-calls.ts'

export type CollectionTask =
  | { readonly kind: 'none' }
  | ({ readonly kind: 'mark' } & MarkRequest)
  | ({ readonly kind: 'compare' } & CompareRequest)
  | ({ readonly kind: 'restore' } & RestoreRequest)
  | ({ readonly kind: 'list' } & ListRequest)
  | ({ readonly kind: 'unlink' } & UnlinkRequest)

serveWorker((input, context): unknown => {
  const task = input as CollectionTask
  const check = (): void => context.throwIfAborted()
  switch (task.kind) {
    case 'none':
      return null
    case 'mark':
      return markSync(task, check)
    case 'compare':
      return compareSync(task, check)
    case 'restore':
      return restoreMarks(task)
    case 'list':
      return listSync(task, check)
    case 'unlink':
      return unlinkManySync(task)
    default:
      return task satisfies never
  }
})
