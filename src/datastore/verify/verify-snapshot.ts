/** Verification of one snapshot with stock's log lines; its state goes into the manifest (datastore-semantics.md 11). */
import { errorChain, hasCode, toError } from '../../base/errors.ts'
import type { Progress } from '../../base/progress.ts'
import { unixSeconds } from '../../base/time/clock.ts'
import type { Manifest } from '../../formats/manifest.ts'
import { formatSnapshot, type SnapshotRef } from '../../formats/names.ts'
import type { NamespacePath } from '../../formats/namespace.ts'
import { isNoAnswer } from '../../storage/s3/errors.ts'
import type { Datastore } from '../datastore.ts'
import type { FileLock } from '../locks.ts'
import { readManifest, setVerifyState } from '../manifest-store.ts'
import { isRemovalBegun } from '../remove-from-bucket.ts'
import { snapshotExists } from '../snapshots.ts'
import { isRecentlyVerified, type SkipRule } from './skip-rule.ts'
import { verifyFiles } from './verify-files.ts'
import { openVerifyRun, type VerifyRun } from './verify-run.ts'

export interface VerifySnapshotOptions {
  readonly progress: Progress
  /** The task that verifies, for the state in the manifest. */
  readonly upid: string
  /** What earlier snapshots of the same task told, and its threads; its own if absent. */
  readonly run?: VerifyRun | undefined
  /** Which snapshots need not be verified again; none by default. */
  readonly skip?: SkipRule | undefined
}

/**
 * Verifies every file and each of its chunks once. A snapshot in use, gone, on its way out, or verified lately is skipped, which counts
 * as good. When `progress.signal` is aborted its reason is thrown and the manifest stays as it was; so it does when a
 * bucket does not answer for a chunk, which counts as not good. If the bucket does not answer at all, its error is thrown.
 */
export async function verifySnapshot(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  options: VerifySnapshotOptions,
): Promise<{ readonly ok: boolean }> {
  const { progress, skip } = options
  const name = `${store.name}:${formatSnapshot(ref)}`
  const skipped = (why: string): null => {
    progress.log(`SKIPPED: verify ${name} ${why}`)
    return null
  }
  await using lock = (await snapshotExists(store, ns, ref))
    ? await lockToVerify(store, ns, ref, skipped)
    : skipped('- snapshot does not exist (anymore).')
  if (lock === null) return { ok: true }
  if (await isRemovalBegun(store, ns, ref)) {
    skipped('- its removal began.')
    return { ok: true }
  }
  let manifest: Manifest
  try {
    manifest = (await readManifest(store, ns, ref)).manifest
  } catch (error) {
    progress.log(`verify ${name} - manifest load error: ${toError(error).message}`)
    return { ok: false }
  }
  if (skip !== undefined && isRecentlyVerified(manifest, skip, unixSeconds(store.clock))) {
    skipped('(recently verified)')
    return { ok: true }
  }
  progress.log(`verify ${name}`)
  let isGood: boolean
  try {
    isGood = await verifyAll(store, ns, ref, { ...options, manifest, name })
  } catch (error) {
    if (!isNoAnswer(error)) throw error
    progress.log(`verify ${name} failed: ${error.message}`)
    // If it is away, all others would cost as long, and tell nothing.
    await store.bucket?.objects.checkBucket({ signal: progress.signal })
    return { ok: false }
  }
  return { ok: (await saveState(store, ns, ref, { ...options, isGood, name })) && isGood }
}

async function lockToVerify(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  skipped: (why: string) => null,
): Promise<FileLock | null> {
  try {
    return await store.locks.lockSnapshot(ns, ref, 'shared')
  } catch (error) {
    if (!hasCode(error, 'SHARED_SNAPSHOT_LOCK_BUSY')) throw error
    return skipped(`- could not acquire snapshot lock: ${errorChain(error)}`)
  }
}

async function verifyAll(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  options: VerifySnapshotOptions & { readonly manifest: Manifest; readonly name: string },
): Promise<boolean> {
  const { run } = options
  if (run !== undefined) return await verifyFiles(store, ns, ref, { ...options, run })
  await using own = openVerifyRun(store)
  return await verifyFiles(store, ns, ref, { ...options, run: own })
}

/** Under the manifest's lock, from the manifest as it is now: notes that came meanwhile stay (races.md R-42). */
async function saveState(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  options: VerifySnapshotOptions & { readonly isGood: boolean; readonly name: string },
): Promise<boolean> {
  const { upid, isGood, name, progress } = options
  progress.signal.throwIfAborted()
  try {
    await setVerifyState(store, ns, ref, { state: isGood ? 'ok' : 'failed', upid })
    return true
  } catch (error) {
    progress.log(`verify ${name} - manifest update error: ${toError(error).message}`)
    return false
  }
}
