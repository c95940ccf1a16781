/** Every decoder that reads what a peer, a disk or a user wrote, with good samples for each. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parsePropertyString } from '../../src/config/property-string.ts'
import { parseSectionConfig } from '../../src/config/section-config.ts'
import { parseKeyConfig } from '../../src/crypto/key-config.ts'
import { parseAuthId } from '../../src/formats/auth-id.ts'
import { parseBackupTime } from '../../src/formats/backup-time.ts'
import { checkBlobCrc, decodeBlob, encodeBlob, sealBlobCrc } from '../../src/formats/data-blob.ts'
import { decodeDynamicIndex } from '../../src/formats/dynamic-index.ts'
import { decodeFixedIndex } from '../../src/formats/fixed-index.ts'
import {
  DYNAMIC_INDEX_MAGIC,
  FIXED_INDEX_MAGIC,
  blobKindOf,
  hasMagic,
} from '../../src/formats/magic.ts'
import { decodeManifestBlob, parseManifest } from '../../src/formats/manifest.ts'
import { parseNamespace } from '../../src/formats/namespace.ts'
import { parseSnapshot } from '../../src/formats/names.ts'
import { parseTaskEndLine } from '../../src/formats/task-status.ts'
import { parseUpid } from '../../src/formats/upid.ts'
import { archiveTargets } from './archive-targets.ts'
import type { FuzzTarget } from './fuzz.ts'

const FIXTURES = join(import.meta.dirname, '..', 'fixtures')
const SAMPLE_SIZE_MAX = 1 << 20

/** All targets; reading the samples takes a moment. */
export async function fuzzTargets(): Promise<FuzzTarget[]> {
  const bodies = readFolder('sessions/bodies').filter((bytes) => bytes.length <= SAMPLE_SIZE_MAX)
  const blobs = bodies.filter((bytes) => blobKindOf(bytes) !== null)
  return [
    ...archiveTargets(),
    {
      name: 'blob',
      samples: blobs,
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
    ...(await manifestTargets()),
    {
      name: 'key file',
      samples: readFolder('datastore/keys').filter((bytes) => bytes[0] === 0x7b),
      decode: (bytes) => void parseKeyConfig(bytes),
    },
    lenient(
      text('section config', readFolder('config', /\.cfg$/), (content) => {
        parseSectionConfig(content)
      }),
    ),
    text('property string', lines('type=offline,message="a b"', 'sync-level=file'), (content) => {
      parsePropertyString(content, 'type')
    }),
    text(
      'names',
      lines('host/web1/2025-01-01T00:00:00Z', 'vm/100/2026-01-02T00:00:00Z'),
      (content) => {
        parseSnapshot(content)
      },
    ),
    text('namespace', lines('a/b/c', 'one/two'), (content) => void parseNamespace(content)),
    text('auth id', lines('user@pbs!token', 'root@pam'), (content) => void parseAuthId(content)),
    text('backup time', lines('2025-01-01T00:00:00Z'), (content) => void parseBackupTime(content)),
    text('task id', taskIds(), (content) => void parseUpid(content)),
    lenient(
      text('task end line', lines('2026-11-21T00:00:00+00:00: TASK WARNINGS: 3'), (content) => {
        parseTaskEndLine(content)
      }),
    ),
  ]
}

async function manifestTargets(): Promise<FuzzTarget[]> {
  const contents = readFileSync(join(FIXTURES, 'datastore/contents.json'), 'utf8')
  const { snapshots } = JSON.parse(contents) as { snapshots: { manifest: unknown }[] }
  const documents = lines(...snapshots.map(({ manifest }) => JSON.stringify(manifest)))
  const blobs = await Promise.all(
    documents.map(async (document) => await encodeBlob(document, { compress: true })),
  )
  return [
    {
      name: 'manifest blob',
      samples: blobs,
      decode: async (bytes) => void (await decodeManifestBlob(bytes)),
    },
    { name: 'manifest', samples: documents, decode: (bytes) => void parseManifest(bytes) },
  ]
}

function walkIndex(index: {
  count: number
  endOf(i: number): number
  chunkAt(offset: number): number
}): void {
  for (let i = 0; i < index.count; i++) index.endOf(i)
  if (index.count > 0) index.chunkAt(0)
}

function text(
  name: string,
  samples: readonly Uint8Array[],
  decode: (content: string) => void,
): FuzzTarget {
  return { name, samples, decode: (bytes) => decode(Buffer.from(bytes).toString('utf8')) }
}

function lenient(target: FuzzTarget): FuzzTarget {
  return { ...target, isLenient: true }
}

function lines(...texts: readonly string[]): Uint8Array[] {
  return texts.map((line) => new TextEncoder().encode(line))
}

function taskIds(): Uint8Array[] {
  const index = JSON.parse(readFileSync(join(FIXTURES, 'tasks/index.json'), 'utf8')) as {
    upid: string
  }[]
  return lines(...index.map(({ upid }) => upid))
}

function readFolder(folder: string, pattern = /./): Uint8Array[] {
  return readdirSync(join(FIXTURES, folder), { withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => new Uint8Array(readFileSync(join(FIXTURES, folder, entry.name))))
}
