/**
 * One run of `backup`: sources in the order of the command line, then catalog, key, manifest, finish
 * (backup-protocol 7.1, spec cli 4.2). Whatever throws leaves the session unfinished, and the server
 * removes the snapshot when the connection ends.
 */
import { formatLocalDate } from '../../base/time/local-date.ts'
import { unixSeconds } from '../../base/time/clock.ts'
import { formatShortFingerprint } from '../../crypto/fingerprint.ts'
import { encryptKeyForMaster } from '../../crypto/master-key.ts'
import { ENCRYPTED_KEY_NAME, MANIFEST_NAME } from '../../formats/archive-name.ts'
import { type Manifest, addManifestFile, formatManifest } from '../../formats/manifest.ts'
import { signManifest } from '../../formats/manifest-signature.ts'
import { type SnapshotRef, formatSnapshot } from '../../formats/names.ts'
import { openBackupSession } from '../backup-session.ts'
import type { Connection } from '../connection.ts'
import { type Encryption, type OpenKey, openKey, readSmallSource } from '../encryption.ts'
import type { ClientHost } from '../host.ts'
import { formatRepository } from '../repository.ts'
import { BufferPool } from './buffer-pool.ts'
import { openImage } from './image-source.ts'
import { digestsOf, loadPreviousIndex, loadPreviousManifest } from './previous.ts'
import type { BackupRun, TreeOptions } from './run.ts'
import { type Specification, serverName, sourceNoun } from './specification.ts'
import { statisticsLines } from './statistics.ts'
import { startEarlyWalk, TreeUploads } from './upload-tree.ts'
import { uploadBlob } from './upload-blob.ts'
import { uploadIndex } from './upload-index.ts'

export interface BackupOptions {
  readonly namespace: string
  readonly snapshot: SnapshotRef
  readonly specifications: readonly Specification[]
  readonly encryption: Encryption
  /** Average for trees, exact for images; bytes. */
  readonly chunkSize: number
  readonly isDryRun: boolean
  readonly noCache: boolean
  readonly tree: TreeOptions
  readonly pace: ((size: number) => Promise<void>) | undefined
  readonly onProgress: ((name: string, progress: UploadProgress) => void) | undefined
}

export interface UploadProgress {
  readonly done: number
  readonly total: number | null
  readonly sent: number
}

/** Buffers in the stages of an upload; more come and go with the collector. */
const POOLED_BUFFERS_MAX = 16

/** Backs up; the sources were checked before. */
export async function backup(
  host: ClientHost,
  connect: () => Promise<Connection>,
  options: BackupOptions,
): Promise<void> {
  const started = host.clock.monotonic()
  logStart(host, options)
  const key = await unlock(host, options.encryption)
  const { specifications, tree, isDryRun } = options
  await using early = isDryRun ? null : startEarlyWalk(specifications, tree)
  await using connection = await connect()
  await using session = await openBackupSession(connection, options)
  const crypt = key?.crypt ?? null
  const previous = await loadPreviousManifest(session, crypt, host.log)
  const run: BackupRun = {
    host,
    session,
    previous,
    crypt: options.encryption.mode === 'encrypt' ? crypt : null,
    mode: options.encryption.mode,
    repository: formatRepository(connection.repository),
    // A source that is silent, such as a pipe, must not hide that the server has gone.
    signal: AbortSignal.any([session.lost, ...given(connection.signal)]),
    manifest: emptyManifest(options.snapshot),
  }
  await using trees = new TreeUploads(run, options, early)
  for (const specification of specifications) {
    announce(run, specification, isDryRun)
    if (!isDryRun) await uploadSource(run, trees, specification, options)
  }
  if (isDryRun) {
    host.log('dry-run: no upload happened')
    return
  }
  await trees.finishCatalog()
  await finish(run, key, options)
  host.log(`Duration: ${((host.clock.monotonic() - started) / 1000).toFixed(2)}s`)
  host.log(`End Time: ${formatLocalDate(unixSeconds(host.clock))}`)
}

function given(signal: AbortSignal | undefined): readonly AbortSignal[] {
  return signal === undefined ? [] : [signal]
}

function logStart(host: ClientHost, { namespace, snapshot }: BackupOptions): void {
  const place = namespace === '' ? '' : `[${namespace}]:`
  host.log(`Starting backup: ${place}${formatSnapshot(snapshot)}`)
  host.log(`Client name: ${host.nodeName}`)
  host.log(`Starting backup protocol: ${formatLocalDate(unixSeconds(host.clock))}`)
}

async function unlock(host: ClientHost, encryption: Encryption): Promise<OpenKey | null> {
  if (encryption.key === null) return null
  host.log(encryption.key.from)
  const key = await openKey(host, encryption.key)
  host.log(`Encryption key fingerprint: ${formatShortFingerprint(key.crypt.fingerprint)}`)
  if (encryption.masterKey !== null) host.log(encryption.masterKey.from)
  return key
}

function emptyManifest({ type, id, time }: SnapshotRef): Manifest {
  return {
    backupType: type,
    backupId: id,
    backupTime: time,
    files: [],
    signature: null,
    unprotected: {},
  }
}

function announce(run: BackupRun, specification: Specification, isDryRun: boolean): void {
  const verb = isDryRun ? 'Would upload' : 'Upload'
  const { path, type } = specification
  run.host.log(
    `${verb} ${sourceNoun(type)} '${path}' to '${run.repository}' as ${serverName(specification)}`,
  )
}

async function uploadSource(
  run: BackupRun,
  trees: TreeUploads,
  specification: Specification,
  options: BackupOptions,
): Promise<void> {
  switch (specification.type) {
    case 'pxar':
      return await trees.upload(specification)
    case 'img':
      return await uploadImage(run, specification, options)
    case 'conf':
    case 'log':
      return await uploadFile(run, specification)
    default:
      specification.type satisfies never
  }
}

async function uploadFile(run: BackupRun, specification: Specification): Promise<void> {
  const filename = serverName(specification)
  const plain = await readSmallSource(run.host, specification.path)
  const { session, crypt, mode } = run
  const blob = await uploadBlob(session, filename, plain, { crypt, compress: true })
  run.manifest = addManifestFile(run.manifest, { filename, cryptMode: mode, ...blob })
}

async function uploadImage(
  run: BackupRun,
  specification: Specification,
  options: BackupOptions,
): Promise<void> {
  const { session, host, crypt, signal } = run
  const archiveName = serverName(specification)
  const index = await loadPreviousIndex(session, run.previous, archiveName, {
    kind: 'fixed',
    log: host.log,
  })
  await using image = await openImage(specification.path)
  const pool = new BufferPool({ size: options.chunkSize, countMax: POOLED_BUFFERS_MAX })
  const uploaded = await uploadIndex(session, host.clock, {
    kind: 'fixed',
    archiveName,
    size: image.size,
    chunks: image.chunks(pool, options.chunkSize),
    known: digestsOf(index),
    crypt,
    signal,
    pace: options.pace,
    onProgress: (done, sent) =>
      options.onProgress?.(specification.name, { done, total: image.size, sent }),
  })
  for (const line of statisticsLines(specification.name, uploaded)) host.log(line)
  const { size, csum } = uploaded
  run.manifest = addManifestFile(run.manifest, {
    filename: archiveName,
    cryptMode: run.mode,
    size,
    csum,
  })
}

async function finish(run: BackupRun, key: OpenKey | null, options: BackupOptions): Promise<void> {
  const { session, host } = run
  const { masterKey } = options.encryption
  if (key !== null && masterKey !== null) {
    host.log(`Upload RSA encoded key to '${run.repository}' as ${ENCRYPTED_KEY_NAME}`)
    const encrypted = encryptKeyForMaster(masterKey.bytes, key.unlocked, { clock: host.clock })
    const plain = { crypt: null, compress: false }
    const blob = await uploadBlob(session, ENCRYPTED_KEY_NAME, encrypted, plain)
    const entry = { filename: ENCRYPTED_KEY_NAME, cryptMode: run.mode, ...blob }
    run.manifest = addManifestFile(run.manifest, entry)
  }
  const manifest = key === null ? run.manifest : signManifest(run.manifest, key.crypt)
  const bytes = formatManifest(manifest)
  await uploadBlob(session, MANIFEST_NAME, bytes, { crypt: null, compress: true })
  await session.finish()
}
