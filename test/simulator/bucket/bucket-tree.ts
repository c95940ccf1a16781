/** Snapshots and chunks as the bucket has them, straight from its objects. */
import { contentPath } from '../../../src/datastore/bucket/keys.ts'
import { chunkKey } from '../../../src/storage/bucket-chunks/chunk-keys.ts'
import type { Digest } from '../../../src/formats/digest.ts'
import { INDEX_NAME, MANIFEST, placeOf, STORE_FOLDER, type StorePlace } from '../places.ts'
import { readDigests, wholeDigest } from '../restore.ts'
import { STORE_NAME } from '../sim-process.ts'
import type { SimObjects } from './objects.ts'

const CHUNK_FOLDER = `${STORE_NAME}/.chunks/`

/** What a key stands for. */
export function placeOfKey(key: string): StorePlace | null {
  if (key.startsWith(CHUNK_FOLDER)) return placeOf(`${STORE_FOLDER}${key.slice(STORE_NAME.length)}`)
  const path = contentPath(STORE_NAME, key)
  return path === null ? null : placeOf(`${STORE_FOLDER}/${path}`)
}

/** Files of all snapshots by name. */
export function snapshotsIn(objects: SimObjects): Map<string, Map<string, Uint8Array>> {
  const found = new Map<string, Map<string, Uint8Array>>()
  for (const key of objects.keys) {
    const place = placeOfKey(key)
    if (place?.kind !== 'snapshot' || place.file === '') continue
    let files = found.get(place.key)
    if (files === undefined) found.set(place.key, (files = new Map()))
    files.set(place.file, objects.get(key)?.body ?? new Uint8Array())
  }
  return found
}

/** Those with a manifest. */
export function* finishedIn(objects: SimObjects): Generator<[string, Map<string, Uint8Array>]> {
  for (const [key, files] of snapshotsIn(objects)) if (files.has(MANIFEST)) yield [key, files]
}

/** Digests that the indexes of a snapshot name; damaged indexes name none. */
export function* digestsOf(files: ReadonlyMap<string, Uint8Array>): Generator<string> {
  for (const [name, data] of files) {
    if (INDEX_NAME.test(name)) yield* readDigests(name, data) ?? []
  }
}

export function hasWhole(objects: SimObjects, digest: string): boolean {
  const object = objects.get(chunkKey(STORE_NAME, digest as Digest))
  return object !== undefined && wholeDigest(object.body) === digest
}

/** Why a snapshot of the bucket does not restore; null if it does. */
export function whyNotInBucket(
  objects: SimObjects,
  files: ReadonlyMap<string, Uint8Array> | undefined,
  wanted: {
    readonly archives: ReadonlyMap<string, readonly string[]> | null
    readonly damaged: ReadonlySet<string>
  },
): string | null {
  const manifest = files?.get(MANIFEST)
  if (files === undefined || manifest === undefined) return 'it has no manifest'
  if (wholeDigest(manifest) === null) return 'its manifest is damaged'
  for (const [name, digests] of wanted.archives ?? []) {
    const index = files.get(name)
    if (index === undefined) return `${name} is gone`
    const found = readDigests(name, index)
    if (found === null) return `${name} is damaged`
    if (found.join() !== digests.join()) return `${name} names other chunks`
  }
  for (const digest of digestsOf(files)) {
    if (wanted.damaged.has(digest) || hasWhole(objects, digest)) continue
    return `chunk ${digest.slice(0, 8)} is missing`
  }
  return null
}
