/**
 * Keys of chunks in a bucket (formats.md 10.1): `<store>/.chunks/<first 4 hex>/<64 hex>`, with `.<n>.bad` behind it that
 * of a corrupt one.
 */
import type { Digest } from '../../formats/digest.ts'

const CHUNKS_FOLDER = '.chunks'
/** `ab12/` before the name. */
const FOLDER_LENGTH = 5
const DIGEST_LENGTH = 64
const NAME = /^([0-9a-f]{4})\/(\1[0-9a-f]{60})(\.[0-9]\.bad)?$/
/** Nothing may stand behind it: a bad chunk's key names no chunk. */
const CHUNK_KEY = /\/\.chunks\/([0-9a-f]{4})\/(\1[0-9a-f]{60})$/

/** Key of a chunk below `prefix`, the datastore's name in the bucket. */
export function chunkKey(prefix: string, digest: Digest): string {
  return `${prefix}/${CHUNKS_FOLDER}/${digest.slice(0, 4)}/${digest}`
}

/** The chunk that `key` names; null for any other object, bad chunks included. */
export function digestOfKey(key: string): Digest | null {
  const digest = CHUNK_KEY.exec(key)?.[2]
  return digest === undefined ? null : (digest as Digest)
}

/** The keys of the chunks of one store. */
export class ChunkKeys {
  /** Prefix of all of them. */
  readonly base: string

  /** `prefix`: that of the store, without a slash. */
  constructor(prefix: string) {
    this.base = `${prefix}/${CHUNKS_FOLDER}/`
  }

  /** Null for what is no chunk: it is nobody's business. */
  kindOf(key: string): 'chunk' | 'bad' | null {
    const match = NAME.exec(key.slice(this.base.length))
    if (match === null || !key.startsWith(this.base)) return null
    return match[3] === undefined ? 'chunk' : 'bad'
  }

  /** Of a key that `kindOf` accepts. */
  digestOf(key: string): Digest {
    const start = this.base.length + FOLDER_LENGTH
    return key.slice(start, start + DIGEST_LENGTH) as Digest
  }

  /** What comes before all keys of folder `prefix` and behind those of the folder before it; undefined for the first. */
  before(prefix: number): string | undefined {
    return prefix === 0 ? undefined : `${this.base}${folderName(prefix)}`
  }

  /** First two bytes of the digest. */
  prefixOf(digest: Digest): number {
    return Number.parseInt(digest.slice(0, FOLDER_LENGTH - 1), 16)
  }
}

/** The least digest of a folder. */
export function firstDigest(prefix: number): Digest {
  return `${folderName(prefix)}${'0'.repeat(DIGEST_LENGTH - FOLDER_LENGTH + 1)}` as Digest
}

/** The one after it; null after the last. */
export function digestAfter(digest: Digest): Digest | null {
  const next = BigInt(`0x${digest}`) + 1n
  const text = next.toString(16).padStart(DIGEST_LENGTH, '0')
  return text.length > DIGEST_LENGTH ? null : (text as Digest)
}

function folderName(prefix: number): string {
  return prefix.toString(16).padStart(FOLDER_LENGTH - 1, '0')
}
