/** Manifest: what belongs to a snapshot, with sizes and checksums; `index.json.blob` (formats.md 6). */
import type { Allocate } from '../base/buffer-pool.ts'
import { hasCode } from '../base/errors.ts'
import { archiveKind } from './archive-name.ts'
import { type CryptMode, CRYPT_MODES } from './crypt-mode.ts'
import { checkBlobCrc, decodeBlob, encodeBlob } from './data-blob.ts'
import { isDigest } from './digest.ts'
import { errors } from './errors.ts'
import {
  formatPrettyJson,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseJson,
} from './json.ts'
import { type BackupType, isBackupType } from './names.ts'
import { decompressSync } from './zstd.ts'

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export interface ManifestFile {
  /** Name on the server, with `.fidx`, `.didx` or `.blob`. Not checked: an uploaded manifest may say `../x`. */
  readonly filename: string
  readonly cryptMode: CryptMode
  /** Index: plain bytes of the archive; blob: bytes of the encoded blob. */
  readonly size: number
  /** Index: its checksum; blob: SHA-256 of the encoded blob. 64 hex. */
  readonly csum: string
}

export interface Manifest {
  readonly backupType: BackupType
  /** Not checked, as in stock: the folder says where a snapshot belongs. */
  readonly backupId: string
  readonly backupTime: number
  readonly files: readonly ManifestFile[]
  /** 64 hex, or null. */
  readonly signature: string | null
  /** Not signed: notes, verify state, statistics, key fingerprint; kept as it is. */
  readonly unprotected: JsonObject
}

/** Plain bytes of a manifest we read; about 50,000 files. More would hold up the event loop. */
const MANIFEST_SIZE_MAX = 16 << 20

/** Reads manifest JSON. Throws MANIFEST_JSON_INVALID with stock's prefix; unknown keys are dropped, as in stock. */
export function parseManifest(json: Uint8Array): Manifest {
  let value: JsonValue
  try {
    value = parseJson(UTF_8.decode(json))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw errors.MANIFEST_JSON_INVALID({ reason }, { cause })
  }
  return manifestFromJson(value)
}

/** The stored form: pretty-printed, keys sorted, no line end. */
export function formatManifest(manifest: Manifest): Uint8Array {
  return Buffer.from(formatPrettyJson(manifestToJson(manifest)))
}

/** Reads `index.json.blob`, CRC included. Throws MANIFEST_BLOB_INVALID, MANIFEST_JSON_INVALID, or as `checkBlobCrc`. */
export async function decodeManifestBlob(blob: Uint8Array): Promise<Manifest> {
  let json: Uint8Array
  try {
    json = await decodeBlob(blob, { checkCrc: true, sizeMax: MANIFEST_SIZE_MAX })
  } catch (cause) {
    if (isLoadError(cause)) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw errors.MANIFEST_BLOB_INVALID({ reason }, { cause })
  }
  return parseManifest(json)
}

/**
 * As `decodeManifestBlob`, on the calling thread, for lists: numbers of `unprotected` may be rounded, so what it gives
 * must not be stored again. `allocate` may give the memory for the text. Its errors differ.
 */
export function decodeListedManifest(blob: Uint8Array, allocate?: Allocate): Manifest {
  const { encrypted, compressed, headerSize } = checkBlobCrc(blob)
  if (encrypted) throw errors.BLOB_KEY_MISSING({})
  const payload = blob.subarray(headerSize)
  const json = compressed
    ? decompressSync(payload, { sizeMax: MANIFEST_SIZE_MAX, allocate })
    : payload
  return manifestFromJson(JSON.parse(UTF_8.decode(json)) as JsonValue)
}

/** The blob of `index.json.blob`: compressed, never encrypted. */
export async function encodeManifestBlob(manifest: Manifest): Promise<Uint8Array> {
  return await encodeBlob(formatManifest(manifest), { compress: true })
}

/** The entry of `filename`. Throws MANIFEST_FILE_MISSING with stock's text. */
export function manifestFile(manifest: Manifest, filename: string): ManifestFile {
  const file = manifest.files.find((file) => file.filename === filename)
  if (file === undefined) throw errors.MANIFEST_FILE_MISSING({ name: filename })
  return file
}

/**
 * Compares what was downloaded with the entry, size first.
 * Throws MANIFEST_FILE_MISSING, MANIFEST_FILE_SIZE_WRONG, MANIFEST_FILE_CSUM_WRONG with stock's texts.
 */
export function checkManifestFile(
  manifest: Manifest,
  actual: { readonly filename: string; readonly size: number; readonly csum: string },
): void {
  const name = actual.filename
  const expected = manifestFile(manifest, name)
  if (expected.size !== actual.size) {
    throw errors.MANIFEST_FILE_SIZE_WRONG({ name, expected: expected.size, actual: actual.size })
  }
  if (expected.csum !== actual.csum) throw errors.MANIFEST_FILE_CSUM_WRONG({ name })
}

/** `manifest` with one more file. Throws ARCHIVE_TYPE_UNKNOWN for a name without a known extension. */
export function addManifestFile(manifest: Manifest, file: ManifestFile): Manifest {
  archiveKind(file.filename)
  return { ...manifest, files: [...manifest.files, file] }
}

/** The JSON value of a manifest, `signature` and `unprotected` included. */
export function manifestToJson(manifest: Manifest): JsonObject {
  return {
    'backup-id': manifest.backupId,
    'backup-time': manifest.backupTime,
    'backup-type': manifest.backupType,
    files: manifest.files.map((file) => ({
      'crypt-mode': file.cryptMode,
      csum: file.csum,
      filename: file.filename,
      size: file.size,
    })),
    signature: manifest.signature,
    unprotected: manifest.unprotected,
  }
}

function manifestFromJson(value: JsonValue): Manifest {
  if (!isJsonObject(value)) throw invalid('expected an object')
  const type = textOf(value, 'backup-type')
  if (!isBackupType(type)) throw invalid(`unknown backup-type '${type}'`)
  const files = value['files']
  if (!Array.isArray(files)) throw invalid("expected an array as 'files'")
  const signature = value['signature'] ?? null
  if (signature !== null && typeof signature !== 'string') {
    throw invalid("expected text or null as 'signature'")
  }
  const unprotected = value['unprotected'] ?? {}
  if (!isJsonObject(unprotected)) throw invalid("expected an object as 'unprotected'")
  return {
    backupType: type,
    backupId: textOf(value, 'backup-id'),
    backupTime: integerOf(value, 'backup-time'),
    files: files.map(fileFromJson),
    signature,
    unprotected,
  }
}

function fileFromJson(value: JsonValue): ManifestFile {
  if (!isJsonObject(value)) throw invalid("expected an object in 'files'")
  const mode = value['crypt-mode'] ?? 'none' // absent in backups from before 0.8
  const cryptMode = CRYPT_MODES.find((known) => known === mode)
  if (cryptMode === undefined) throw invalid('unknown crypt-mode of a file')
  const csum = textOf(value, 'csum').toLowerCase()
  if (!isDigest(csum)) throw invalid("expected 64 hex characters as 'csum'")
  const size = integerOf(value, 'size')
  if (size < 0) throw invalid("expected a size of at least 0 as 'size'")
  return { filename: textOf(value, 'filename'), cryptMode, size, csum }
}

function textOf(object: JsonObject, key: string): string {
  const value = object[key]
  if (value === undefined) throw invalid(`missing field \`${key}\``)
  if (typeof value !== 'string') throw invalid(`expected text as '${key}'`)
  return value
}

function integerOf(object: JsonObject, key: string): number {
  const value = object[key]
  if (value === undefined) throw invalid(`missing field \`${key}\``)
  if (!Number.isSafeInteger(value)) throw invalid(`expected an integer as '${key}'`)
  return value as number
}

function invalid(reason: string): Error {
  return errors.MANIFEST_JSON_INVALID({ reason })
}

// What is wrong with the file itself is told as it is; 'decode … failed' is for its content.
function isLoadError(error: unknown): boolean {
  const codes = ['BLOB_TOO_SMALL', 'ENCRYPTED_BLOB_TOO_SMALL', 'BLOB_MAGIC_WRONG', 'BLOB_CRC_WRONG']
  return hasCode(error, ...codes)
}
