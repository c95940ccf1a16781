/** Folders as pxar archives, and the one catalog beside them (backup-protocol 7.1 step 4). */
import { formatBytes } from '../../base/human-units.ts'
import { chunkDynamic } from '../../chunking/chunk-stream.ts'
import { CATALOG_NAME } from '../../formats/archive-name.ts'
import type { ArchiveIndex } from '../../formats/archive-index.ts'
import type { Digest } from '../../formats/digest.ts'
import { DigestSet } from '../../formats/digest-map.ts'
import { addManifestFile } from '../../formats/manifest.ts'
import { type OpenCatalog, openCatalog } from './catalog-stream.ts'
import { predictedChunks } from './predicted-chunks.ts'
import { digestsOf, loadPreviousIndex } from './previous.ts'
import type { BackupRun, TreeOptions } from './run.ts'
import { pooledChunks } from './source-chunk.ts'
import { type Specification, serverName } from './specification.ts'
import { statisticsLines } from './statistics.ts'
import { ChunkDigests } from './zero-chunks.ts'
import type { PieceBytes } from './shared-piece.ts'
import { borrowed, encodePieces, startWalk, type TreeWalk } from './tree-walker.ts'
import { type UploadedIndex, uploadIndex } from './upload-index.ts'

/** Average chunk of a catalog: as stock. */
const CATALOG_CHUNK_SIZE = 512 * 1024

export interface TreeUploadOptions {
  /** Average, bytes. */
  readonly chunkSize: number
  readonly tree: TreeOptions
  readonly pace: ((size: number) => Promise<void>) | undefined
  readonly onProgress:
    | ((
        name: string,
        progress: { readonly done: number; readonly total: number | null; readonly sent: number },
      ) => void)
    | undefined
}

interface RunningCatalog {
  readonly catalog: OpenCatalog
  readonly uploaded: Promise<UploadedIndex>
}

/** The walk through the first folder, which runs while the session is opened. */
export interface EarlyWalk extends AsyncDisposable {
  readonly specification: Specification
  readonly walk: TreeWalk
  /** Warnings about the options, to be told when the upload begins. */
  readonly warnings: readonly string[]
}

/** Starts the walk if a folder comes first. Errors: EXCLUDE_INVALID. */
export function startEarlyWalk(
  [specification]: readonly Specification[],
  tree: TreeOptions,
): EarlyWalk | null {
  if (specification?.type !== 'pxar') return null
  const warnings: string[] = []
  const onWarning = (line: string): void => {
    warnings.push(line)
  }
  const walk = startWalk(specification.path, { ...tree, onWarning })
  return { specification, walk, warnings, [Symbol.asyncDispose]: () => walk[Symbol.asyncDispose]() }
}

/** Uploads folders; the catalog begins with the first one and runs beside them all. */
export class TreeUploads implements AsyncDisposable {
  readonly #run: BackupRun
  readonly #options: TreeUploadOptions
  readonly #early: EarlyWalk | null
  #catalog: RunningCatalog | null = null

  constructor(run: BackupRun, options: TreeUploadOptions, early: EarlyWalk | null) {
    this.#run = run
    this.#options = options
    this.#early = early
  }

  /** Uploads one folder. */
  async upload(specification: Specification): Promise<void> {
    const { session, host, previous, signal, crypt } = this.#run
    const archiveName = serverName(specification)
    const { catalog } = this.#startCatalog()
    const index = await loadPreviousIndex(session, previous, archiveName, {
      kind: 'dynamic',
      log: host.log,
    })
    catalog.writer.startArchive(archiveName)
    const early = this.#early?.specification === specification ? this.#early : null
    for (const line of early?.warnings ?? []) host.log(line)
    const pieces = encodePieces(specification.path, {
      ...this.#options.tree,
      walk: early?.walk,
      catalog: catalog.writer,
      onWarning: host.log,
      signal,
    })
    const uploaded = await uploadIndex(session, host.clock, {
      kind: 'dynamic',
      archiveName,
      size: null,
      chunks: this.#chunks(pieces, index),
      areHashed: index !== null,
      known: digestsOf(index),
      crypt,
      signal,
      pace: this.#options.pace,
      onProgress: (done, sent) =>
        this.#options.onProgress?.(specification.name, { done, total: null, sent }),
    })
    catalog.writer.endArchive()
    for (const line of statisticsLines(specification.name, uploaded)) host.log(line)
    this.#record(archiveName, uploaded)
  }

  /** Ends the catalog, if there were folders. */
  async finishCatalog(): Promise<void> {
    if (this.#catalog === null) return
    const { catalog, uploaded } = this.#catalog
    catalog.finish()
    const index = await uploaded
    this.#catalog = null
    this.#run.host.log(`Uploaded backup catalog (${formatBytes(index.size)})`)
    this.#record(CATALOG_NAME, index)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#catalog === null) return
    const { catalog, uploaded } = this.#catalog
    catalog.abort()
    await uploaded.catch(() => {})
  }

  /** What the previous index already says about cuts is not looked for again. */
  #chunks(pieces: AsyncIterable<PieceBytes>, previous: ArchiveIndex | null) {
    const { signal, crypt } = this.#run
    const average = this.#options.chunkSize
    if (previous === null) return pooledChunks(chunkDynamic(borrowed(pieces), { average, signal }))
    const digests = new ChunkDigests(crypt)
    const digestOf = (parts: readonly Uint8Array[]): Promise<Digest> => digests.digestOf(parts)
    return predictedChunks(pieces, { average, previous, digestOf, signal })
  }

  #startCatalog(): RunningCatalog {
    if (this.#catalog !== null) return this.#catalog
    const { session, host, crypt, signal } = this.#run
    const catalog = openCatalog()
    const chunks = chunkDynamic(catalog.stream, { average: CATALOG_CHUNK_SIZE, signal })
    const uploaded = uploadIndex(session, host.clock, {
      kind: 'dynamic',
      archiveName: CATALOG_NAME,
      size: null,
      chunks: pooledChunks(chunks),
      known: new DigestSet(),
      crypt,
      signal,
    })
    // Its failure is met when the catalog is finished or given up.
    uploaded.catch(() => {})
    this.#catalog = { catalog, uploaded }
    return this.#catalog
  }

  #record(filename: string, { size, csum }: UploadedIndex): void {
    const entry = { filename, cryptMode: this.#run.mode, size, csum }
    this.#run.manifest = addManifestFile(this.#run.manifest, entry)
  }
}
