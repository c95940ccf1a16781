/** All that a backup session holds, released together in the reverse order of taking (datastore-semantics.md 5.6). */
import type { ProcessLockGuard } from '../../base/fs/record-lock.ts'
import type { FileLock } from '../locks.ts'

export interface SessionLocks {
  /** Shared; excludes a collection in another process. */
  readonly process: ProcessLockGuard
  readonly group: FileLock
  /** Shared lock of the base, if there is one. */
  readonly base: FileLock | null
  /** Exclusive lock of the session's own snapshot. */
  readonly snapshot: FileLock
}

/** Releases all, also when one of them fails; the first error is thrown at the end. */
export async function releaseSessionLocks(
  locks: SessionLocks,
  gone: { readonly snapshot: boolean; readonly group: boolean },
): Promise<void> {
  await using stack = new AsyncDisposableStack()
  stack.defer(() => locks.process.release())
  stack.defer(() => (gone.group ? locks.group.unlinkAndRelease() : locks.group.release()))
  stack.defer(async () => await locks.base?.release())
  stack.defer(() => (gone.snapshot ? locks.snapshot.unlinkAndRelease() : locks.snapshot.release()))
}
