/** What the keys below `.chunks/` of a bucket mean (formats.md 10.1). */
import type { Digest } from '../../../formats/digest.ts'
import { CHUNKS_FOLDER } from '../../layout.ts'
import { prefixName } from '../list-folder.ts'

/** A chunk or a corrupt one of the bucket that nothing keeps. */
export interface LooseObject {
  readonly kind: 'chunk' | 'bad'
  readonly key: string
  readonly digest: Digest
  readonly size: number
  /** Of a bad chunk: the good one is there, so that the bad one goes although it is referenced. */
  readonly isHealed: boolean
}

/** `ab12/` before the name. */
const FOLDER_LENGTH = 5
const DIGEST_LENGTH = 64
const NAME = /^([0-9a-f]{4})\/(\1[0-9a-f]{60})(\.[0-9]\.bad)?$/

/** The keys of the chunks of one store. */
export class ChunkKeys {
  /** Prefix of all of them. */
  readonly base: string

  /** `prefix`: that of the store, without a slash. */
  constructor(prefix: string) {
    this.base = `${prefix}/${CHUNKS_FOLDER}/`
  }

  /** Null for what is no chunk: it is nobody's business. */
  kindOf(key: string): LooseObject['kind'] | null {
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
    return prefix === 0 ? undefined : `${this.base}${prefixName(prefix)}`
  }

  /** First two bytes of the digest. */
  prefixOf(digest: Digest): number {
    return Number.parseInt(digest.slice(0, FOLDER_LENGTH - 1), 16)
  }
}

/** The least digest of a folder. */
export function firstDigest(prefix: number): Digest {
  return `${prefixName(prefix)}${'0'.repeat(DIGEST_LENGTH - FOLDER_LENGTH + 1)}` as Digest
}

/** The one after it; null after the last. */
export function digestAfter(digest: Digest): Digest | null {
  const next = BigInt(`0x${digest}`) + 1n
  const text = next.toString(16).padStart(DIGEST_LENGTH, '0')
  return text.length > DIGEST_LENGTH ? null : (text as Digest)
}
