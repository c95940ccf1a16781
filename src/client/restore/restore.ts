/** One run of `restore`: which archive, by which way, to where (spec cli 4.3, backup-protocol 7.7). */
import { toError } from '../../base/errors.ts'
import { toHex } from '../../base/hex.ts'
import { formatBytes, formatDuration } from '../../base/human-units.ts'
import { formatShortFingerprint } from '../../crypto/fingerprint.ts'
import {
  ENCRYPTED_KEY_NAME,
  MANIFEST_NAME,
  archiveKind,
  serverArchiveName,
} from '../../formats/archive-name.ts'
import type { ArchiveIndex } from '../../formats/archive-index.ts'
import { decodeBlob } from '../../formats/data-blob.ts'
import { sha256 } from '../../formats/digest.ts'
import { decodeDynamicIndex } from '../../formats/dynamic-index.ts'
import { decodeFixedIndex } from '../../formats/fixed-index.ts'
import {
  type Manifest,
  checkManifestFile,
  decodeManifestBlob,
  formatManifest,
  manifestFile,
} from '../../formats/manifest.ts'
import {
  checkManifestFingerprint,
  checkManifestSignature,
} from '../../formats/manifest-signature.ts'
import type { SnapshotRef } from '../../formats/names.ts'
import type { Connection } from '../connection.ts'
import { type Encryption, type KeySource, type OpenKey, openKey } from '../encryption.ts'
import { errors } from '../errors.ts'
import type { ClientHost } from '../host.ts'
import { type ReaderSession, openReaderSession } from '../reader-session.ts'
import { type ExtractOptions, extractTree } from './extract.ts'
import { writeImage } from './image-target.ts'
import { type PlainChunk, readArchive } from './remote-chunks.ts'
import { type ByteSink, pipeSink, writeNewFile } from './targets.ts'

export interface RestoreOptions {
  readonly namespace: string
  readonly snapshot: SnapshotRef
  /** As typed: `root.pxar`, or a name on the server. */
  readonly archive: string
  /** A path, or `-` for the pipe. */
  readonly target: string
  readonly encryption: Encryption
  readonly extract: Omit<ExtractOptions, 'onWarning' | 'signal'>
  readonly pipe: ByteSink
  readonly pace: ((size: number) => Promise<void>) | undefined
  readonly onProgress: ((done: number, total: number) => void) | undefined
}

interface Restore {
  readonly host: ClientHost
  readonly session: ReaderSession
  readonly manifest: Manifest
  readonly key: OpenKey | null
  readonly options: RestoreOptions
  readonly signal: AbortSignal | undefined
}

/** Restores one archive; nothing of a failed image or blob is kept secret: the target stays as far as it came. */
export async function restore(
  host: ClientHost,
  connection: Connection,
  options: RestoreOptions,
): Promise<void> {
  const fileName = serverArchiveName(options.archive)
  const key = await unlock(host, options.encryption)
  await using session = await openReaderSession(connection, options)
  const manifest = await loadManifest(host, session, {
    key,
    source: options.encryption.key,
    fileName,
  })
  const run = { host, session, manifest, key, options, signal: connection.signal }
  if (fileName === MANIFEST_NAME) {
    return await deliver(run, formatManifest(manifest), { replace: true })
  }
  const kind = archiveKind(fileName)
  if (kind === 'blob') return await restoreBlob(run, fileName)
  const tree = kind === 'dynamic' ? treeArchive(run, fileName) : fileName
  const started = host.clock.monotonic()
  const size = kind === 'fixed' ? await restoreImage(run, tree) : await restoreTree(run, tree)
  if (size === null) return
  const seconds = (host.clock.monotonic() - started) / 1000
  const average = formatBytes(Math.floor(size / Math.max(seconds, 0.001)))
  host.log(
    `restore complete (${formatBytes(size)} processed in ${formatDuration(seconds)}, average ${average}/s)`,
  )
}

async function unlock(host: ClientHost, { key }: Encryption): Promise<OpenKey | null> {
  if (key === null) return null
  try {
    return await openKey(host, key)
  } catch (error) {
    host.log(key.from)
    throw error
  }
}

async function loadManifest(
  host: ClientHost,
  session: ReaderSession,
  {
    key,
    source,
    fileName,
  }: {
    readonly key: OpenKey | null
    readonly source: KeySource | null
    readonly fileName: string
  },
): Promise<Manifest> {
  const manifest = await decodeManifestBlob(await session.download(MANIFEST_NAME))
  if (key !== null && checkManifestSignature(manifest, key.crypt)) {
    // As stock: the source of the key is news only once it fits.
    if (source !== null) host.log(source.from)
    host.log(`Fingerprint: ${formatShortFingerprint(key.crypt.fingerprint)}`)
  }
  if (fileName === ENCRYPTED_KEY_NAME && key === null) {
    host.log(
      'Restoring encrypted key blob without original key - skipping manifest fingerprint check!',
    )
  } else {
    checkManifestFingerprint(manifest, key?.crypt ?? null)
  }
  return manifest
}

/** Writes small content to the target or the pipe. */
async function deliver(
  run: Restore,
  bytes: Uint8Array,
  { replace }: { readonly replace: boolean },
): Promise<void> {
  const { target, pipe } = run.options
  if (target === '-') await pipe.write(bytes)
  else await writeNewFile(target, bytes, { replace })
}

async function restoreBlob(run: Restore, fileName: string): Promise<void> {
  manifestFile(run.manifest, fileName)
  const blob = await run.session.download(fileName)
  const csum = await sha256(blob)
  checkManifestFile(run.manifest, { filename: fileName, size: blob.length, csum })
  const plain = await decodeBlob(blob, { crypt: run.key?.crypt ?? null, checkCrc: true })
  await deliver(run, plain, { replace: false })
}

/** The index of a tree that is there: plain, or the split pair's first half. */
function treeArchive({ manifest }: Restore, fileName: string): string {
  const names = new Set(manifest.files.map(({ filename }) => filename))
  const split = fileName.replace(/\.[mp]?pxar\.didx$/, '.mpxar.didx')
  if (names.has(split) && (!names.has(fileName) || fileName !== split)) {
    if (!names.has(fileName) || fileName.endsWith('.ppxar.didx')) return split
  }
  if (!names.has(fileName)) throw errors.ARCHIVE_NOT_LISTED({})
  return fileName
}

async function openIndex(run: Restore, fileName: string): Promise<ArchiveIndex> {
  manifestFile(run.manifest, fileName)
  const bytes = await run.session.download(fileName)
  const isFixed = archiveKind(fileName) === 'fixed'
  const index = isFixed ? decodeFixedIndex(bytes) : decodeDynamicIndex(bytes)
  const csum = toHex(index.computeCsum())
  checkManifestFile(run.manifest, { filename: fileName, size: index.size, csum })
  return index
}

function chunksOf(run: Restore, index: ArchiveIndex, fileName: string): AsyncIterable<PlainChunk> {
  return readArchive(run.session, index, {
    crypt: run.key?.crypt ?? null,
    mode: manifestFile(run.manifest, fileName).cryptMode,
    signal: run.signal,
    pace: run.options.pace,
  })
}

async function restoreImage(run: Restore, fileName: string): Promise<number> {
  const { target, pipe, onProgress } = run.options
  const index = await openIndex(run, fileName)
  const chunks = withProgress(chunksOf(run, index, fileName), index.size, onProgress)
  if (target === '-') await pipeSink(pipe, chunks)
  else await writeImage(target, chunks, index.size)
  return index.size
}

/** Bytes of the extracted archive; null for the raw stream to the pipe, which ends without a line. */
async function restoreTree(run: Restore, fileName: string): Promise<number | null> {
  const { target, pipe, extract, onProgress } = run.options
  const isSplit = /\.[mp]pxar\.didx$/.test(fileName)
  if (target === '-' && (extract.patterns?.length ?? 0) > 0) throw errors.PATTERN_TO_PIPE({})
  if (isSplit && target === '-') throw errors.SPLIT_TO_PIPE({})
  if (isSplit) throw errors.SPLIT_NOT_BUILT({ name: fileName })
  const index = await openIndex(run, fileName)
  const chunks = withProgress(chunksOf(run, index, fileName), index.size, onProgress)
  if (target === '-') {
    await pipeSink(pipe, chunks)
    return null
  }
  const { host, signal } = run
  try {
    await extractTree(plainBytes(chunks), target, {
      ...extract,
      onWarning: host.log,
      ...(signal === undefined ? {} : { signal }),
    })
  } catch (cause) {
    signal?.throwIfAborted()
    throw errors.EXTRACTION_FAILED({ reason: toError(cause).message }, { cause: undefined })
  }
  return index.size
}

async function* withProgress(
  chunks: AsyncIterable<PlainChunk>,
  total: number,
  onProgress: ((done: number, total: number) => void) | undefined,
): AsyncGenerator<PlainChunk, void, undefined> {
  for await (const chunk of chunks) {
    yield chunk
    onProgress?.(chunk.offset + chunk.size, total)
  }
}

async function* plainBytes(
  chunks: AsyncIterable<PlainChunk>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { bytes, size, release } of chunks) {
    yield bytes ?? new Uint8Array(size)
    release()
  }
}
