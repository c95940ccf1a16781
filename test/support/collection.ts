/** Collections in tests: a store whose garbage is old at once, and what most of these tests do with it. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { silentProgress, warningLine } from '../../src/base/progress.ts'
import { systemClock } from '../../src/base/time/clock.ts'
import { collect, type CollectOptions } from '../../src/datastore/collection/collect.ts'
import type { GcStatus } from '../../src/datastore/collection/status.ts'
import type { Datastore } from '../../src/datastore/datastore.ts'
import { removeSnapshot } from '../../src/datastore/remove-snapshot.ts'
import { formatBackupTime } from '../../src/formats/backup-time.ts'
import { parseSnapshot } from '../../src/formats/names.ts'
import { ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import {
  makeChunk,
  makeTestStore,
  type TestStore,
  type TestStoreOptions,
  UPID,
} from './test-store.ts'

export const DAY = 86_400
export const T0 = 1_790_000_000

/** Ahead of the file times, so that without grace everything that is there is old. */
export const aheadClock = { ...systemClock, now: () => systemClock.now() + 10_000 }

/** A store without grace. */
export async function gcStore(
  context: TestContext,
  options: TestStoreOptions = {},
): Promise<TestStore> {
  const settings = { gcGraceMs: 0, ...options.settings }
  return await makeTestStore(context, { clock: aheadClock, ...options, settings })
}

/** Collects; lines of the task log go to `lines`. */
export async function gc(
  store: Datastore,
  options: Partial<CollectOptions> & { readonly lines?: string[] } = {},
): Promise<GcStatus> {
  const { lines, ...given } = options
  const progress = {
    ...silentProgress(),
    log: (line: string) => void lines?.push(line),
    warn: (line: string) => void lines?.push(warningLine(line)),
  }
  return await collect(store, { progress, upid: UPID, ...given })
}

/** Whether the chunk with this text is stored. */
export async function hasChunk(store: Datastore, text: string): Promise<boolean> {
  return (await store.chunks.stat((await makeChunk(text)).digest)) !== null
}

/** Removes a snapshot of `host/web1`, or of another group. */
export async function forget(store: Datastore, time: number, group = 'host/web1'): Promise<void> {
  const ref = parseSnapshot(`${group}/${formatBackupTime(time)}`)
  assert.equal(await removeSnapshot(store, ROOT_NAMESPACE, ref), 'removed')
}
