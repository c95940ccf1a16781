/** What a faulty variant of the protocol is. */
import type { SourcePatch } from '../support/source-patch.ts'
import type { Kind } from './operations/table.ts'

export interface Mutation {
  /** The race of races.md that it brings back, with a letter where there are several. */
  readonly id: string
  readonly what: string
  /** Operations without which it cannot show: seeds that lack one are not played. */
  readonly needs?: readonly Kind[]
  /** Where it shows; default: a store in a folder. */
  readonly world?: 'bucket'
  readonly patches: readonly Omit<SourcePatch, 'id'>[]
}

export const SESSIONS = 'src/datastore/sessions'
export const COLLECTION = 'src/datastore/collection'
