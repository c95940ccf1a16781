/** The files of a snapshot, raw as they are stored, and its indexes. */
import { isAnySystemError, isSystemError, toError } from '../base/errors.ts'
import type { FileHandle } from '../base/fs/file-system.ts'
import type { ArchiveIndex } from '../formats/archive-index.ts'
import { archiveKind, CLIENT_LOG_NAME, parseArchiveName } from '../formats/archive-name.ts'
import { decodeDynamicIndex } from '../formats/dynamic-index.ts'
import { decodeFixedIndex } from '../formats/fixed-index.ts'
import type { SnapshotRef } from '../formats/names.ts'
import type { NamespacePath } from '../formats/namespace.ts'
import { SAFE_ID } from '../formats/safe-id.ts'
import { osErrorText } from '../storage/os-error-text.ts'
import type { Datastore } from './datastore.ts'
import { asNotFound, errors } from './errors.ts'
import { relativeSnapshotPath, snapshotPath } from './layout.ts'

/** An open file of a snapshot. It stays readable when the snapshot is removed. */
export interface SnapshotFile extends AsyncDisposable {
  readonly name: string
  readonly path: string
  /** Bytes when it was opened; files of a snapshot never change in place. */
  readonly size: number
  /** Its bytes in pieces owned by the receiver; the file is closed at the end of the stream, however it ends. */
  stream(): AsyncIterable<Uint8Array>
}

const PIECE_SIZE = 256 * 1024
/** 40 bytes an entry: an archive of 26 million chunks. */
export const INDEX_SIZE_MAX = 1 << 30

/** Opens `name` of a snapshot. Throws FILE_NAME_INVALID, FILE_MISSING (404), FILE_OPEN_FAILED. */
export async function openSnapshotFile(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  name: string,
): Promise<SnapshotFile> {
  checkFileName(name)
  const path = `${snapshotPath(store.path, ns, ref)}/${name}`
  let handle: FileHandle
  try {
    handle = await store.fs.open(path, 'read')
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) {
      throw errors.FILE_MISSING({ path, ...asNotFound }, { cause: error })
    }
    throw errors.FILE_OPEN_FAILED({ path, reason: osErrorText(error) }, { cause: error })
  }
  try {
    const { size } = await handle.stat()
    return makeFile(handle, { name, path, size })
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Reads an index. Throws INDEX_OPEN_FAILED with stock's text; ARCHIVE_TYPE_UNKNOWN for other extensions. */
export async function readIndex(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  name: string,
): Promise<ArchiveIndex> {
  checkFileName(name)
  return await readIndexFile(store, `${snapshotPath(store.path, ns, ref)}/${name}`)
}

/** As `readIndex`, of the file at `path`. */
export async function readIndexFile(store: Datastore, path: string): Promise<ArchiveIndex> {
  const kind = archiveKind(path.slice(path.lastIndexOf('/') + 1))
  try {
    const bytes = await store.fs.readFile(path, INDEX_SIZE_MAX)
    return kind === 'dynamic' ? decodeDynamicIndex(bytes) : decodeFixedIndex(bytes)
  } catch (error) {
    const reason =
      isAnySystemError(error) || hasErrno(error) ? osErrorText(error) : toError(error).message
    throw errors.INDEX_OPEN_FAILED({ kind, path, reason }, { cause: error })
  }
}

/** Adds the client's log to a snapshot, in the bucket first; stock keeps the first. Throws CLIENT_LOG_EXISTS, SNAPSHOT_MISSING. */
export async function writeClientLog(
  store: Datastore,
  ns: NamespacePath,
  ref: SnapshotRef,
  blob: Uint8Array,
): Promise<void> {
  const folder = snapshotPath(store.path, ns, ref)
  const path = `${folder}/${CLIENT_LOG_NAME}`
  if (await store.files.exists(path)) throw errors.CLIENT_LOG_EXISTS({})
  const remotePath = `${relativeSnapshotPath(ns, ref)}/${CLIENT_LOG_NAME}`
  try {
    if (store.bucket !== null) {
      await store.fs.stat(folder)
      await store.bucket.tree.write(remotePath, blob, { isNew: true })
    }
    await store.files.write(path, blob)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    // Removed meanwhile: nothing of it may stay.
    await store.bucket?.tree.remove(remotePath)
    throw errors.SNAPSHOT_MISSING({ text: `snapshot folder ${JSON.stringify(folder)} is gone` })
  }
}

/** Throws FILE_NAME_INVALID: names come from clients and manifests and must not leave the folder. */
export function checkFileName(name: string): void {
  if (!SAFE_ID.test(name) || parseArchiveName(name) === null) {
    throw errors.FILE_NAME_INVALID({ name })
  }
}

function hasErrno(error: unknown): boolean {
  return error instanceof Error && 'errno' in error
}

function makeFile(
  handle: FileHandle,
  file: { readonly name: string; readonly path: string; readonly size: number },
): SnapshotFile {
  return Object.freeze({
    ...file,
    stream: () => readPieces(handle, file.size),
    [Symbol.asyncDispose]: async () => await handle.close(),
  })
}

async function* readPieces(handle: FileHandle, size: number): AsyncGenerator<Uint8Array> {
  try {
    for (let position = 0; position < size; ) {
      const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_SIZE, size - position))
      const count = await handle.read(piece, position)
      if (count === 0) return
      position += count
      yield piece.subarray(0, count)
    }
  } finally {
    await handle.close()
  }
}
