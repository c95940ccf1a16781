/** The datastore that stock 4.2.3 wrote (`test/fixtures/datastore`), unpacked for tests. */
import {
  accessSync,
  chmodSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'datastore')
const STORE_NAME = 'fxgold'
const BLOCK_SIZE = 512
/** Folders are made there much faster than on a disk. */
const MEMORY_FOLDER = '/dev/shm'

/** One file of a snapshot in `contents.json`. */
export interface GoldenFile {
  readonly file: string
  readonly stored_size: number
  readonly stored_sha256: string
  readonly 'crypt-mode'?: string
  readonly csum?: string
  readonly size?: number
  readonly chunks?: number
  /** Size and SHA-256 of the restored content; the raw stream of an index. */
  readonly plain_size?: number
  readonly plain_sha256?: string
}

export interface GoldenSnapshot {
  readonly ns: string
  readonly group: string
  readonly time: number
  /** Below the datastore's folder, namespaces included. */
  readonly folder: string
  readonly owner: string
  readonly shows: string
  /** `keys/NAME.json` for `goldenKeyFile`, or null. */
  readonly key: string | null
  readonly listed: Record<string, unknown>
  readonly manifest: Record<string, unknown>
  readonly files: readonly GoldenFile[]
}

export interface GoldenChunk {
  /** The file's name: a digest, or `<digest>.0.bad`. */
  readonly name: string
  readonly size: number
  readonly magic: string
  readonly sha256: string
}

export interface GoldenContents {
  readonly snapshots: readonly GoldenSnapshot[]
  readonly chunks: readonly GoldenChunk[]
}

export interface GoldenStoreOptions {
  /** Creates the 65,536 chunk folders, most of them empty; takes a second or two. */
  readonly chunkFolders?: boolean
  /** A copy of its own, for tests that write; the shared one must not be changed. */
  readonly fresh?: boolean
}

let tar: Buffer | null = null
let shared: string | null = null
let sharedHasFolders = false

/**
 * The path of the unpacked datastore `fxgold`, in a temporary folder that is removed when the process ends.
 * One per process unless `fresh`. Modes are those of the original, owners are ours.
 */
export async function openGoldenStore(options: GoldenStoreOptions = {}): Promise<string> {
  if (options.fresh === true) {
    const path = unpack()
    if (options.chunkFolders === true) createChunkFolders(path)
    return await Promise.resolve(path)
  }
  shared ??= unpack()
  if (options.chunkFolders === true && !sharedHasFolders) {
    createChunkFolders(shared)
    sharedHasFolders = true
  }
  return shared
}

/** What `contents.json` says about it. */
export function goldenContents(): GoldenContents {
  return JSON.parse(readFileSync(join(FIXTURES, 'contents.json'), 'utf8')) as GoldenContents
}

/** A file of `keys/`, with or without that prefix. */
export function goldenKeyFile(name: string): Buffer {
  return readFileSync(join(FIXTURES, 'keys', basename(name)))
}

/** The passphrase of a file of `keys/`, or null if it has none. */
export function goldenPassphrase(name: string): Buffer | null {
  const prefix = `${basename(name)}: `
  const lines = goldenKeyFile('passwords.txt').toString().split('\n')
  const line = lines.find((line) => line.startsWith(prefix))
  return line === undefined ? null : Buffer.from(line.slice(prefix.length))
}

function unpack(): string {
  tar ??= zstdDecompressSync(readFileSync(join(FIXTURES, 'store.tar.zst')))
  const folder = mkdtempSync(join(temporaryFolder(), 'cairn-golden-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  for (const entry of tarEntries(tar)) {
    const path = join(folder, entry.name)
    if (entry.isFolder) mkdirSync(path, { recursive: true })
    else writeFileSync(path, entry.data)
    chmodSync(path, entry.mode)
  }
  return join(folder, STORE_NAME)
}

function createChunkFolders(store: string): void {
  for (let number = 0; number < 65_536; number += 1) {
    const name = number.toString(16).padStart(4, '0')
    mkdirSync(join(store, '.chunks', name), { recursive: true, mode: 0o750 })
  }
}

function temporaryFolder(): string {
  try {
    accessSync(MEMORY_FOLDER, constants.W_OK)
    return MEMORY_FOLDER
  } catch {
    return tmpdir()
  }
}

interface TarEntry {
  readonly name: string
  readonly mode: number
  readonly isFolder: boolean
  readonly data: Buffer
}

/** Files and folders of a ustar or GNU archive whose names fit their headers, as this one's do. */
function* tarEntries(bytes: Buffer): IterableIterator<TarEntry> {
  for (let offset = 0; offset + BLOCK_SIZE <= bytes.length; ) {
    const header = bytes.subarray(offset, offset + BLOCK_SIZE)
    if (header[0] === 0) return
    const octal = (start: number, end: number) =>
      Number.parseInt(header.toString('latin1', start, end), 8)
    const size = octal(124, 136)
    const type = header.toString('latin1', 156, 157)
    const start = offset + BLOCK_SIZE
    if (type === 'L') throw new Error('a name of this archive does not fit its header')
    if (type === '0' || type === '5') {
      const name = header.toString('utf8', 0, header.subarray(0, 100).indexOf(0) >>> 0)
      const data = bytes.subarray(start, start + size)
      yield { name, mode: octal(100, 108), isFolder: type === '5', data }
    }
    offset = start + Math.ceil(size / BLOCK_SIZE) * BLOCK_SIZE
  }
}
