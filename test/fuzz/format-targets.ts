/** The readers of `src/formats` and `src/crypto`: blobs, indexes, manifests, keys, names. */
import { parseKeyConfig } from '../../src/crypto/key-config.ts'
import { parseFingerprint } from '../../src/crypto/fingerprint.ts'
import { parseArchiveName } from '../../src/formats/archive-name.ts'
import type { ArchiveIndex } from '../../src/formats/archive-index.ts'
import { parseAuthId } from '../../src/formats/auth-id.ts'
import { parseBackupTime } from '../../src/formats/backup-time.ts'
import { checkBlobCrc, decodeBlob, encodeBlob, sealBlobCrc } from '../../src/formats/data-blob.ts'
import { decodeDynamicIndex } from '../../src/formats/dynamic-index.ts'
import { decodeFixedIndex } from '../../src/formats/fixed-index.ts'
import {
  blobKindOf,
  DYNAMIC_INDEX_MAGIC,
  FIXED_INDEX_MAGIC,
  hasMagic,
} from '../../src/formats/magic.ts'
import { decodeManifestBlob, parseManifest } from '../../src/formats/manifest.ts'
import { parseNamespace } from '../../src/formats/namespace.ts'
import { parseSnapshot } from '../../src/formats/names.ts'
import { parseTaskEndLine } from '../../src/formats/task-status.ts'
import { parseUpid } from '../../src/formats/upid.ts'
import type { FuzzTarget } from './fuzz.ts'
import { lenient, lines, readFolder, readJson, textTarget } from './samples.ts'

const SAMPLE_SIZE_MAX = 1 << 20
const FINGERPRINT = Array.from({ length: 32 }, () => '0a').join(':')

/** Targets of `src/formats` and of the key files. */
export async function formatTargets(): Promise<FuzzTarget[]> {
  return [...binaryTargets(), ...(await manifestTargets()), ...nameTargets()]
}

function binaryTargets(): FuzzTarget[] {
  const bodies = readFolder('sessions/bodies').filter((bytes) => bytes.length <= SAMPLE_SIZE_MAX)
  return [
    {
      name: 'blob',
      samples: bodies.filter((bytes) => blobKindOf(bytes) !== null),
      decode: async (bytes) => {
        // With a right checksum again: what the checksum would hide is looked at too.
        sealBlobCrc(bytes)
        const { encrypted } = checkBlobCrc(bytes)
        if (!encrypted) await decodeBlob(bytes, { sizeMax: 16 << 20 })
      },
    },
    {
      name: 'fixed index',
      samples: bodies.filter((bytes) => hasMagic(bytes, FIXED_INDEX_MAGIC)),
      decode: (bytes) => walkIndex(decodeFixedIndex(bytes)),
    },
    {
      name: 'dynamic index',
      samples: bodies.filter((bytes) => hasMagic(bytes, DYNAMIC_INDEX_MAGIC)),
      decode: (bytes) => walkIndex(decodeDynamicIndex(bytes)),
    },
    {
      name: 'key file',
      samples: readFolder('datastore/keys').filter((bytes) => bytes[0] === 0x7b),
      decode: (bytes) => void parseKeyConfig(bytes),
    },
  ]
}

async function manifestTargets(): Promise<FuzzTarget[]> {
  const { snapshots } = readJson('datastore/contents.json') as {
    snapshots: { manifest: unknown }[]
  }
  const documents = lines(...snapshots.map(({ manifest }) => JSON.stringify(manifest)))
  const blobs = await Promise.all(
    documents.map(async (document) => await encodeBlob(document, { compress: true })),
  )
  return [
    {
      name: 'manifest blob',
      samples: blobs,
      decode: async (bytes) => {
        sealBlobCrc(bytes)
        await decodeManifestBlob(bytes)
      },
    },
    { name: 'manifest', samples: documents, decode: (bytes) => void parseManifest(bytes) },
  ]
}

function nameTargets(): FuzzTarget[] {
  const snapshots = lines('host/web1/2025-01-01T00:00:00Z', 'vm/100/2026-01-02T00:00:00Z')
  const endLines = lines('2026-11-21T00:00:00+00:00: TASK WARNINGS: 3')
  const archives = lines('root.pxar.didx', 'disk.img.fidx', 'index.json.blob')
  return [
    textTarget('snapshot name', snapshots, (text) => void parseSnapshot(text)),
    textTarget('namespace', lines('a/b/c', 'one/two'), (text) => void parseNamespace(text)),
    textTarget('auth id', lines('user@pbs!token', 'root@pam'), (text) => void parseAuthId(text)),
    textTarget('backup time', lines('2025-01-01T00:00:00Z'), (text) => void parseBackupTime(text)),
    textTarget('task id', taskIds(), (text) => void parseUpid(text)),
    textTarget('fingerprint', lines(FINGERPRINT), (text) => void parseFingerprint(text)),
    lenient(textTarget('archive name', archives, (text) => void parseArchiveName(text))),
    lenient(textTarget('task end line', endLines, (text) => void parseTaskEndLine(text))),
  ]
}

function walkIndex(index: ArchiveIndex): void {
  for (let i = 0; i < index.count; i++) index.endOf(i)
  if (index.count > 0) index.chunkAt(0)
}

function taskIds(): Uint8Array[] {
  const index = readJson('tasks/index.json') as { upid: string }[]
  return lines(...index.map(({ upid }) => upid))
}
