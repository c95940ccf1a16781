/** Snapshots made without a session: chunk files, an index and a manifest, written as fast as the disk takes them. */
import { hash, randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { MANIFEST_NAME } from '../../src/formats/archive-name.ts'
import { encodeBlob } from '../../src/formats/data-blob.ts'
import { parseDigest } from '../../src/formats/digest.ts'
import { DynamicIndexBuilder } from '../../src/formats/dynamic-index.ts'
import { encodeManifestBlob } from '../../src/formats/manifest.ts'
import { formatSnapshot, type SnapshotRef } from '../../src/formats/names.ts'

const ARCHIVE = 'root.pxar.didx'

/** Writes `chunks` and a snapshot of them into the datastore folder `store`; paths of the chunk files. */
export async function writeSnapshot(
  store: string,
  ref: SnapshotRef,
  chunks: Iterable<Uint8Array>,
): Promise<string[]> {
  const builder = new DynamicIndexBuilder()
  const paths: string[] = []
  for (const plain of chunks) {
    const digest = parseDigest(hash('sha256', plain, 'hex'))
    const folder = `${store}/.chunks/${digest.slice(0, 4)}`
    mkdirSync(folder, { recursive: true })
    const path = `${folder}/${digest}`
    writeFileSync(path, await encodeBlob(plain, { compress: true }))
    builder.append(builder.end + plain.length, digest)
    paths.push(path)
  }
  const folder = `${store}/${formatSnapshot(ref)}`
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/../owner`, 'root@pam\n')
  const csum = Buffer.from(builder.csum()).toString('hex')
  const uuid = Buffer.from(randomUUID().replaceAll('-', ''), 'hex')
  writeFileSync(`${folder}/${ARCHIVE}`, builder.encode({ uuid, createdAt: ref.time }))
  const manifest = await encodeManifestBlob({
    backupType: ref.type,
    backupId: ref.id,
    backupTime: ref.time,
    files: [{ filename: ARCHIVE, size: builder.end, csum, cryptMode: 'none' }],
    signature: null,
    unprotected: {},
  })
  writeFileSync(`${folder}/${MANIFEST_NAME}`, manifest)
  return paths
}
