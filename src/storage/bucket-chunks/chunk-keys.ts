/** Keys of chunks in a bucket (formats.md 10.1). */
import type { Digest } from '../../formats/digest.ts'

/** `<store>/.chunks/<first 4 hex>/<64 hex>`, and nothing behind it: a bad chunk's key names no chunk. */
const CHUNK_KEY = /\/\.chunks\/([0-9a-f]{4})\/(\1[0-9a-f]{60})$/

/** Key of a chunk below `prefix`, the datastore's name in the bucket. */
export function chunkKey(prefix: string, digest: Digest): string {
  return `${prefix}/.chunks/${digest.slice(0, 4)}/${digest}`
}

/** The chunk that `key` names; null for any other object, bad chunks included. */
export function digestOfKey(key: string): Digest | null {
  const digest = CHUNK_KEY.exec(key)?.[2]
  return digest === undefined ? null : (digest as Digest)
}
