/** What both kinds of index writers share: the file under its temporary name, the state, the texts of errors. */
import { randomUUID } from 'node:crypto'
import type { FileHandle, FileSystem } from '../../base/fs/file-system.ts'
import type { Clock } from '../../base/time/clock.ts'
import { unixSeconds } from '../../base/time/clock.ts'
import type { Digest } from '../../formats/digest.ts'
import { isDigest } from '../../formats/digest.ts'
import { isSystemError } from '../../base/errors.ts'
import { errnoText } from '../../storage/os-error-text.ts'
import { errors } from '../errors.ts'
import { temporaryIndexName } from '../layout.ts'
import type { Owner } from '../store-files.ts'
import type { SessionDigests } from '../uploads/session-digests.ts'

/** What a session gives its index writers. */
export interface IndexHost {
  readonly fs: FileSystem
  readonly clock: Clock
  readonly owner: Owner | undefined
  /** Folder of the snapshot. */
  readonly path: string
  /** Folder below the datastore's, for logs. */
  readonly relativePath: string
  readonly digests: SessionDigests
  /** Throws while the session takes nothing more. */
  assertActive(): void
  /** The index has its final name: copies it to where else it has to be, before the close is answered. */
  publish(archiveName: string): Promise<void>
  /** The index is complete under its final name, or was given up. */
  onClosed(archiveName: string, outcome: 'closed' | 'abandoned'): void
  /** Makes the session fail at finish. */
  fail(reason: Error): void
  /** Runs file work so that the session's end waits for it. */
  run<Result>(work: () => Promise<Result>): Promise<Result>
}

export interface CloseRequest {
  readonly chunkCount: number
  readonly size: number
  /** 64 hex digits, either case. */
  readonly csum: string
}

export interface ClosedIndex {
  readonly csum: Digest
  /** 32 hex digits. */
  readonly uuid: string
}

/** Told of each pair as it is appended. */
export type OnAppended = (digest: Digest, offset: number, size: number) => void

/** One index that a client writes. Calls of one writer take effect in the order they are made. */
export interface IndexWriter {
  readonly kind: 'fixed' | 'dynamic'
  readonly archiveName: string
  /** Below the datastore's folder, with its name while it is written: as stock's log lines print it. */
  readonly relativePath: string
  /** 32 hex digits. */
  readonly uuidText: string
  /** Appended entries, repeated ones included. */
  readonly count: number
  /** Dynamic: end of the last chunk. Fixed: the image's size. */
  readonly size: number
  /** Fixed: cloned from the base's index. */
  readonly incremental: boolean
  /** Checks that an upload for this writer may count; throws SESSION_REFUSED with stock's texts. */
  noteUpload(upload: { readonly wid: number; readonly size: number }): void
  /** Appends pairs in order; those before a failing one stay, as in stock. Throws SESSION_REFUSED. */
  append(
    digests: readonly Digest[],
    offsets: readonly number[],
    onAppended?: OnAppended,
  ): Promise<void>
  /** Compares and publishes; on an error the writer stays open and so the session cannot finish. */
  close(request: CloseRequest): Promise<ClosedIndex>
  /** Gives up and removes the temporary file; nothing happens when it is closed. */
  abandon(): Promise<void>
}

export const UUID_SIZE = 16

/** A new index's 16 random bytes (a version 4 UUID) and its time. */
export function newIdentity(clock: Clock): {
  readonly uuid: Uint8Array
  readonly createdAt: number
} {
  const uuid = Buffer.from(randomUUID().replaceAll('-', ''), 'hex')
  return { uuid, createdAt: unixSeconds(clock) }
}

/** The file of an open index. */
export class IndexFile {
  readonly archiveName: string
  readonly relativePath: string
  readonly #host: IndexHost
  readonly #temporary: string
  readonly #handle: FileHandle

  private constructor(host: IndexHost, archiveName: string, handle: FileHandle) {
    const name = temporaryIndexName(archiveName)
    this.archiveName = archiveName
    this.relativePath = `${host.relativePath}/${name}`
    this.#host = host
    this.#temporary = `${host.path}/${name}`
    this.#handle = handle
  }

  /** Makes the temporary file with its first bytes, cut or filled to `size`. */
  static async create(
    host: IndexHost,
    archiveName: string,
    content: { readonly header: Uint8Array; readonly size: number },
  ): Promise<IndexFile> {
    const path = `${host.path}/${temporaryIndexName(archiveName)}`
    const handle = await host.fs.open(path, 'create')
    const file = new IndexFile(host, archiveName, handle)
    try {
      if (host.owner !== undefined) await handle.chown(host.owner.uid, host.owner.gid)
      await handle.write(content.header, 0)
      await handle.truncate(content.size)
      return file
    } catch (error) {
      await file.remove()
      if (!isSystemError(error, 'EFBIG')) throw error
      throw errors.SESSION_REFUSED({ text: errnoText(error) }, { cause: error })
    }
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    await this.#handle.write(bytes, position)
  }

  /** Cuts or fills to `size` and gives the file its final name. */
  async publish(size: number): Promise<void> {
    await this.#handle.truncate(size)
    await this.#handle.close()
    await this.#host.fs.rename(this.#temporary, `${this.#host.path}/${this.archiveName}`)
    await this.#host.publish(this.archiveName)
  }

  async remove(): Promise<void> {
    await this.#handle.close()
    try {
      await this.#host.fs.unlink(this.#temporary)
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
    }
  }
}

/** Throws `offset list has wrong length …`. */
export function checkListLengths(digests: readonly Digest[], offsets: readonly number[]): void {
  if (digests.length === offsets.length) return
  refuse(`offset list has wrong length (${offsets.length} != ${digests.length})`)
}

/** The plain size of a chunk the client may append; throws `no such chunk …`, which wins over all other errors. */
export function appendableSize(host: IndexHost, digest: Digest): number {
  const size = host.digests.appendableSize(digest)
  if (size === undefined) refuse(`no such chunk ${digest}`)
  return size
}

/** A checksum parameter in lower case; throws the parser's text that stock shows. */
export function parseCsum(text: string): Digest {
  const csum = text.toLowerCase()
  if (isDigest(csum)) return csum
  if (text.length % 2 === 1) refuse('Odd number of digits')
  if (text.length !== 64) refuse('Invalid string length')
  const position = csum.search(/[^0-9a-f]/)
  return refuse(`Invalid character '${text[position] ?? ''}' at position ${position}`)
}

export function refuse(text: string): never {
  throw errors.SESSION_REFUSED({ text })
}
