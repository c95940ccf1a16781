/** Reads a snapshot as a restore would, straight from the simulated disk. */
import { crc32 } from 'node:zlib'
import { decodeDynamicIndex } from '../../src/formats/dynamic-index.ts'
import { decodeFixedIndex } from '../../src/formats/fixed-index.ts'
import { sha256Hex } from './doubles/crypto.ts'
import type { Inode } from './kernel/disk.ts'
import { INDEX_NAME, MANIFEST } from './places.ts'

const HEADER_SIZE = 12
const CRC_OFFSET = 8

const digestsOf = new WeakMap<Uint8Array, readonly string[] | null>()
const wholeAs = new WeakMap<Uint8Array, string | null>()

/** Digests that an index names, in order; null if it is none. */
export function readDigests(name: string, data: Uint8Array): readonly string[] | null {
  const known = digestsOf.get(data)
  if (known !== undefined) return known
  let digests: readonly string[] | null = null
  try {
    const index = name.endsWith('.didx') ? decodeDynamicIndex(data) : decodeFixedIndex(data)
    const isWhole = Buffer.from(index.computeCsum()).equals(index.headerCsum)
    digests = isWhole ? [...index.digests()] : null
  } catch {
    digests = null
  }
  digestsOf.set(data, digests)
  return digests
}

/** The digest of which `blob` is a whole chunk; null if its content is damaged. */
export function wholeDigest(blob: Uint8Array): string | null {
  const known = wholeAs.get(blob)
  if (known !== undefined) return known
  let digest: string | null = null
  if (blob.length > HEADER_SIZE && blob.some((byte) => byte !== 0)) {
    const payload = blob.subarray(HEADER_SIZE)
    const crc = Buffer.from(blob.buffer, blob.byteOffset).readUInt32LE(CRC_OFFSET)
    if (crc32(payload) === crc) digest = sha256Hex(payload)
  }
  wholeAs.set(blob, digest)
  return digest
}

/** The chunk under its final name; undefined if there is none. */
export function findChunk(store: Inode, digest: string): Inode | undefined {
  const chunks = store.entries?.get('.chunks')
  return (chunks?.mounted ?? chunks)?.entries?.get(digest.slice(0, 4))?.entries?.get(digest)
}

export function isChunkWhole(store: Inode, digest: string): boolean {
  const chunk = findChunk(store, digest)
  return chunk !== undefined && wholeDigest(chunk.data) === digest
}

/** Digests that the closed indexes of a snapshot's folder name; damaged indexes name none. */
export function* referencesOf(folder: Inode): Generator<string> {
  for (const [name, inode] of folder.entries ?? []) {
    if (INDEX_NAME.test(name)) yield* readDigests(name, inode.data) ?? []
  }
}

/** Why a finished snapshot does not restore; null if it does. `damaged` chunks are nobody's fault. */
export function whyNotRestorable(
  store: Inode,
  folder: Inode,
  wanted: {
    readonly archives: ReadonlyMap<string, readonly string[]> | null
    readonly damaged: ReadonlySet<string>
  },
): string | null {
  const manifest = folder.entries?.get(MANIFEST)
  if (manifest === undefined) return 'it has no manifest'
  if (wholeDigest(manifest.data) === null) return 'its manifest is damaged'
  for (const [name, digests] of wanted.archives ?? []) {
    const index = folder.entries?.get(name)
    if (index === undefined) return `${name} is gone`
    const found = readDigests(name, index.data)
    if (found === null) return `${name} is damaged`
    if (found.join() !== digests.join()) return `${name} names other chunks`
  }
  for (const digest of referencesOf(folder)) {
    if (wanted.damaged.has(digest) || isChunkWhole(store, digest)) continue
    const state = findChunk(store, digest) === undefined ? 'missing' : 'damaged'
    return `chunk ${digest.slice(0, 8)} is ${state}`
  }
  return null
}
