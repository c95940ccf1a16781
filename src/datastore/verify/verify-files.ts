/** The checks of a snapshot's files, one by one (datastore-semantics.md 11.2). */
import { toError } from '../../base/errors.ts'
import type { Progress } from '../../base/progress.ts'
import type { Clock } from '../../base/time/clock.ts'
import { parseArchiveName } from '../../formats/archive-name.ts'
import { checkBlobCrcInPool, decodeBlob } from '../../formats/data-blob.ts'
import { sha256 } from '../../formats/digest.ts'
import type { Manifest, ManifestFile } from '../../formats/manifest.ts'
import type { SnapshotRef } from '../../formats/names.ts'
import type { NamespacePath } from '../../formats/namespace.ts'
import type { Datastore } from '../datastore.ts'
import { quote } from '../debug-text.ts'
import { errors } from '../errors.ts'
import { isNoAnswer } from '../../storage/s3/errors.ts'
import { snapshotPath } from '../layout.ts'
import { checkFileName, readIndex } from '../snapshot-files.ts'
import { verifyChunks, type VerifyChunksResult } from './verify-chunks.ts'
import type { VerifyRun } from './verify-run.ts'

export interface VerifyFilesOptions {
  readonly run: VerifyRun
  readonly progress: Progress
  readonly manifest: Manifest
  /** `store:type/id/time`, for the log. */
  readonly name: string
}

/** Blobs are read whole: as large as an upload may be. */
const BLOB_FILE_SIZE_MAX = 32 << 20
const MIB = 1 << 20

/**
 * True if every file of the manifest is as it says, and each of its chunks good; what is not is logged. Throws what a
 * bucket answers instead of a chunk: then nothing is known.
 */
export async function verifyFiles(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  options: VerifyFilesOptions,
): Promise<boolean> {
  const { progress, manifest, name } = options
  let isGood = true
  for (const file of manifest.files) {
    progress.signal.throwIfAborted()
    progress.log(`  check ${file.filename}`)
    try {
      await verifyFile(store, ns, ref, { ...options, file })
    } catch (error) {
      progress.signal.throwIfAborted()
      if (isNoAnswer(error)) throw error
      isGood = false
      progress.log(`verify ${name}/${file.filename} failed: ${toError(error).message}`)
    }
  }
  return isGood
}

type VerifyFileOptions = VerifyFilesOptions & { readonly file: ManifestFile }

async function verifyFile(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  options: VerifyFileOptions,
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
  const { encrypted } = await checkBlobCrcInPool(blob)
  if (!encrypted) await decodeBlob(blob)
}

async function verifyIndex(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  options: VerifyFileOptions,
): Promise<void> {
  const { file, progress, run } = options
  const index = await readIndex(store, ns, ref, file.filename)
  if (index.size !== file.size) fail(`wrong size (${file.size} != ${index.size})`)
  const csum = Buffer.from(index.computeCsum()).toString('hex')
  if (csum !== file.csum) fail('wrong index checksum')
  const startedMs = store.clock.monotonic()
  const encrypted = file.cryptMode === 'encrypt'
  const result = await verifyChunks(store, index, { run, progress, encrypted })
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

function fail(text: string): never {
  throw errors.VERIFY_FILE_FAILED({ text })
}
