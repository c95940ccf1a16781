/** Verification of one snapshot with stock's log lines; its state goes into the manifest (datastore-semantics.md 11). */
import { errorChain, hasCode, toError } from '../../base/errors.ts'
import type { Progress } from '../../base/progress.ts'
import type { Clock } from '../../base/time/clock.ts'
import { parseArchiveName } from '../../formats/archive-name.ts'
import { checkBlobCrc, decodeBlob } from '../../formats/data-blob.ts'
import { sha256 } from '../../formats/digest.ts'
import type { Manifest, ManifestFile } from '../../formats/manifest.ts'
import { formatSnapshot, type SnapshotRef } from '../../formats/names.ts'
import type { NamespacePath } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { quote } from '../debug-text.ts'
import { errors } from '../errors.ts'
import { snapshotPath } from '../layout.ts'
import type { FileLock } from '../locks.ts'
import { readManifest, setVerifyState } from '../manifest-store.ts'
import { checkFileName, readIndex } from '../snapshot-files.ts'
import { snapshotExists } from '../snapshots.ts'
import { ChunkVerdicts, verifyChunks, type VerifyChunksResult } from './verify-chunks.ts'

export interface VerifySnapshotOptions {
  readonly progress: Progress
  /** The task that verifies, for the state in the manifest. */
  readonly upid: string
  /** What earlier snapshots of the same task told about chunks. */
  readonly verdicts?: ChunkVerdicts
}

/** Blobs are read whole: as large as an upload may be. */
const BLOB_FILE_SIZE_MAX = 32 << 20
const MIB = 1 << 20

/** Verifies every file and each of its chunks once. A snapshot in use or gone is skipped, which counts as good. */
export async function verifySnapshot(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  options: VerifySnapshotOptions,
): Promise<{ readonly ok: boolean }> {
  const { progress } = options
  const name = `${store.name}:${formatSnapshot(ref)}`
  const skipped = (why: string): null => {
    progress.log(`SKIPPED: verify ${name} - ${why}`)
    return null
  }
  await using lock = (await snapshotExists(store, ns, ref))
    ? await lockToVerify(store, ns, ref, skipped)
    : skipped('snapshot does not exist (anymore).')
  if (lock === null) return { ok: true }
  let manifest: Manifest
  try {
    manifest = (await readManifest(store, ns, ref)).manifest
  } catch (error) {
    progress.log(`verify ${name} - manifest load error: ${toError(error).message}`)
    return { ok: false }
  }
  progress.log(`verify ${name}`)
  const isGood = await verifyFiles(store, ns, ref, { ...options, manifest, name })
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
    return skipped(`could not acquire snapshot lock: ${errorChain(error)}`)
  }
}

async function verifyFiles(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  options: VerifySnapshotOptions & { readonly manifest: Manifest; readonly name: string },
): Promise<boolean> {
  const { progress, manifest, name } = options
  const verdicts = options.verdicts ?? new ChunkVerdicts()
  let isGood = true
  for (const file of manifest.files) {
    progress.signal.throwIfAborted()
    progress.log(`  check ${file.filename}`)
    try {
      await verifyFile(store, ns, ref, { ...options, file, verdicts })
    } catch (error) {
      progress.signal.throwIfAborted()
      isGood = false
      progress.log(`verify ${name}/${file.filename} failed: ${toError(error).message}`)
    }
  }
  return isGood
}

async function verifyFile(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  options: VerifySnapshotOptions & {
    readonly file: ManifestFile
    readonly verdicts: ChunkVerdicts
  },
): Promise<void> {
  const { file } = options
  const parsed = parseArchiveName(file.filename)
  if (parsed === null) fail(`unknown archive type: ${quote(file.filename)}`)
  checkFileName(file.filename)
  if (parsed.kind !== 'blob') return await verifyIndex(store, ns, ref, options)
  const path = `${snapshotPath(store.path, ns, ref)}/${file.filename}`
  const blob = await store.fs.readFile(path, BLOB_FILE_SIZE_MAX)
  if (blob.length !== file.size) fail(`wrong size (${file.size} != ${blob.length})`)
  if ((await sha256(blob)) !== file.csum) fail('wrong index checksum')
  if (!checkBlobCrc(blob).encrypted) await decodeBlob(blob)
}

async function verifyIndex(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  options: VerifySnapshotOptions & {
    readonly file: ManifestFile
    readonly verdicts: ChunkVerdicts
  },
): Promise<void> {
  const { file, progress, verdicts } = options
  const index = await readIndex(store, ns, ref, file.filename)
  if (index.size !== file.size) fail(`wrong size (${file.size} != ${index.size})`)
  const csum = Buffer.from(index.computeCsum()).toString('hex')
  if (csum !== file.csum) fail('wrong index checksum')
  const startedMs = store.clock.monotonic()
  const encrypted = file.cryptMode === 'encrypt'
  const result = await verifyChunks(store, index, { progress, verdicts, encrypted })
  progress.log(speedLine(result, elapsedSeconds(store.clock, startedMs)))
  if (result.errorCount > 0) fail('chunks could not be verified')
}

function speedLine(result: VerifyChunksResult, seconds: number): string {
  const read = result.readSize / MIB
  const decoded = result.decodedSize / MIB
  const rate = (size: number): string => (seconds > 0 ? size / seconds : 0).toFixed(2)
  const sizes = `${read.toFixed(2)}/${decoded.toFixed(2)} MiB`
  const speed = `${rate(read)}/${rate(decoded)} MiB/s`
  return `  verified ${sizes} in ${seconds.toFixed(2)} seconds, speed ${speed} (${result.errorCount} errors)`
}

function elapsedSeconds(clock: Clock, startedMs: number): number {
  return (clock.monotonic() - startedMs) / 1000
}

async function saveState(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  options: VerifySnapshotOptions & { readonly isGood: boolean; readonly name: string },
): Promise<boolean> {
  const { upid, isGood, name, progress } = options
  try {
    await setVerifyState(store, ns, ref, { state: isGood ? 'ok' : 'failed', upid })
    return true
  } catch (error) {
    progress.log(`verify ${name} - manifest update error: ${toError(error).message}`)
    return false
  }
}

function fail(text: string): never {
  throw errors.VERIFY_FILE_FAILED({ text })
}
