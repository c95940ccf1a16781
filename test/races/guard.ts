/** What a guard is: lines of src that protect, without which a test must fail (`npm run test:guards`). */
import type { SourcePatch } from '../support/source-patch.ts'

/** A text of one source file and what stands there without the guard. */
export type Cut = Omit<SourcePatch, 'id'>

export interface Guard {
  /** Names of races.md that it protects from. */
  readonly races: readonly string[]
  /** What protects, in a few words. */
  readonly what: string
  /** Function that holds it, for docs/races.md. */
  readonly where: string
  readonly cuts: readonly Cut[]
  /** The test file and the beginning of the test's name, or all of it. */
  readonly test: readonly [file: string, name: string]
  /** Other layers that protect from the same: off in the same run, in which the test must pass with this guard alone. */
  readonly without?: readonly LayerName[]
}

export type LayerName = keyof typeof LAYERS

/** Layers that may be off together, so that a test shows what the others do (races.md D5, D6). */
export const LAYERS = {
  'walks again': [
    {
      file: 'src/datastore/collection/roots.ts',
      find: '      await this.#markFiles(unknown)\n    }\n    await this.#warnOfPlaces()',
      replace:
        '      await this.#markFiles(unknown)\n      break\n    }\n    await this.#warnOfPlaces()',
    },
  ],
  'marks of sessions': [
    {
      file: 'src/datastore/collection/sweep.ts',
      find: 'return this.#options.sessions.has(this.#digest) || this.#marks.has(this.#digest, 0)',
      replace: 'return this.#marks.has(this.#digest, 0)',
    },
  ],
  'more than 8 bits of a mark': [
    {
      file: 'src/datastore/collection/marks.ts',
      find: 'return this.#put(readI32(bytes, at), readI32(bytes, at + 4))',
      replace: 'return this.#put(readI32(bytes, at) & 255, 0)',
    },
    {
      file: 'src/datastore/collection/marks.ts',
      find: 'return this.#find(readI32(bytes, at), readI32(bytes, at + 4))',
      replace: 'return this.#find(readI32(bytes, at) & 255, 0)',
    },
    {
      file: 'src/datastore/collection/marks.ts',
      find: 'const low = view.getInt32(at + offset, true)',
      replace: 'const low = view.getInt32(at + offset, true) & 255',
    },
    {
      file: 'src/datastore/collection/marks.ts',
      find: 'const high = view.getInt32(at + offset + 4, true)',
      replace: 'const high = 0',
    },
  ],
  'doubt after a death': [
    {
      file: 'src/datastore/bucket/object-holder.ts',
      find: '    if (object?.isCollecting === true && isAlone) await this.#endLeftover(signal)\n',
      replace: '',
    },
  ],
} as const satisfies Record<string, readonly Cut[]>
