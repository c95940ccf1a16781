/** What a collection of a bucket may remove. */
import type { Digest } from '../../../formats/digest.ts'

/** A chunk or a corrupt one of the bucket that nothing keeps. */
export interface LooseObject {
  readonly kind: 'chunk' | 'bad'
  readonly key: string
  readonly digest: Digest
  readonly size: number
  /** Of a bad chunk: the good one is there, so that the bad one goes although it is referenced. */
  readonly isHealed: boolean
}
