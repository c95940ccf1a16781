/** Snapshots that a schedule finds: their files, made once and kept. */
import { DynamicIndexBuilder, encodeDynamicHeader } from '../../src/formats/dynamic-index.ts'
import { encodeFixedHeader, FixedIndexBuilder } from '../../src/formats/fixed-index.ts'
import { formatBackupTime } from '../../src/formats/backup-time.ts'
import { UNCOMPRESSED_BLOB_MAGIC } from '../../src/formats/magic.ts'
import { formatManifest } from '../../src/formats/manifest.ts'
import { parseGroup } from '../../src/formats/names.ts'
import { CHUNK_SIZE, CHUNKS } from './chunks.ts'
import { crc32 } from 'node:zlib'

type Archives = Readonly<Record<string, readonly number[]>>

const made = new Map<string, { readonly data: Uint8Array; readonly csum: string }>()
/** Manifests by what they say. */
const manifests = new Map<string, Uint8Array>()
const MANIFESTS_MAX = 10_000

export function formatTime(time: number): string {
  return formatBackupTime(time)
}

/** Names and contents of all files of a finished snapshot. */
export function* snapshotFiles(
  group: string,
  time: number,
  archives: Archives,
): Generator<[string, Uint8Array]> {
  for (const [filename, chunks] of Object.entries(archives)) {
    yield [filename, indexOf(filename, chunks).data]
  }
  const key = `${group} ${time} ${JSON.stringify(archives)}`
  const manifest = manifests.get(key) ?? manifestOf(group, time, archives)
  if (manifests.size >= MANIFESTS_MAX) manifests.clear()
  manifests.set(key, manifest)
  yield ['index.json.blob', manifest]
}

function manifestOf(group: string, time: number, archives: Archives): Uint8Array {
  const files = Object.entries(archives).map(([filename, chunks]) => {
    const { csum } = indexOf(filename, chunks)
    return { filename, size: chunks.length * CHUNK_SIZE, csum, cryptMode: 'none' as const }
  })
  const { type, id } = parseGroup(group.replace(/^.*:/, ''))
  return plainBlob(
    formatManifest({
      backupType: type,
      backupId: id,
      backupTime: time,
      files,
      signature: null,
      unprotected: {},
    }),
  )
}

/** The checksum of the index that `chunks` make, as a client knows it. */
export function indexOf(name: string, chunks: readonly number[]) {
  const key = `${name.slice(-5)}:${chunks.join()}`
  const known = made.get(key) ?? (name.endsWith('.didx') ? dynamic(chunks) : fixed(chunks))
  made.set(key, known)
  return known
}

const IDENTITY = { uuid: new Uint8Array(16).fill(7), createdAt: 1_700_000_000 }

function dynamic(chunks: readonly number[]) {
  const builder = new DynamicIndexBuilder()
  for (const chunk of chunks) {
    builder.append(builder.end + CHUNK_SIZE, CHUNKS[chunk]?.digest as never)
  }
  const csum = builder.csum()
  const header = encodeDynamicHeader({ ...IDENTITY, csum })
  return joined(header, builder.takeEntries(), csum)
}

function fixed(chunks: readonly number[]) {
  const size = chunks.length * CHUNK_SIZE
  const builder = new FixedIndexBuilder(size)
  chunks.forEach((chunk, index) => builder.set(index, CHUNKS[chunk]?.digest as never))
  const csum = builder.csum()
  const header = encodeFixedHeader({ ...IDENTITY, csum, size, chunkSize: CHUNK_SIZE })
  return joined(header, builder.body(), csum)
}

function joined(header: Uint8Array, body: Uint8Array, csum: Uint8Array) {
  const data = new Uint8Array(Buffer.concat([header, body]))
  return { data, csum: Buffer.from(csum).toString('hex') }
}

function plainBlob(plain: Uint8Array): Uint8Array {
  const blob = new Uint8Array(12 + plain.length)
  blob.set(UNCOMPRESSED_BLOB_MAGIC)
  blob.set(plain, 12)
  new DataView(blob.buffer).setUint32(8, crc32(plain), true)
  return blob
}
