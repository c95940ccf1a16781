/** Kinds of operations that meet in races of a bucket, and the worlds that these need. */
import type { Kind } from '../operations/table.ts'
import type { BucketOptions } from './bucket-side.ts'

export interface BucketTheme {
  readonly kinds: readonly Kind[]
  /** Beginnings, of which most of its schedules take one. */
  readonly openings?: readonly (readonly Kind[])[]
  readonly ready?: readonly string[]
  readonly chunkCount?: number
  readonly graceMs?: 0
  readonly parallelMax?: number
  readonly bucket?: Partial<BucketOptions>
}

export const BUCKET_THEMES: readonly BucketTheme[] = [
  // Uploads beside a collection without grace.
  {
    kinds: ['backup', 'collectBucket', 'forget'],
    openings: [
      ['collectBucket', 'backup', 'backup'],
      ['forget', 'collectBucket', 'backup', 'collectBucket', 'backup'],
    ],
    ready: ['host/g1', 'host/g2'],
    chunkCount: 2,
    graceMs: 0,
  },
  // Several uploads of what nobody has, some of which fail, beside collections.
  {
    kinds: ['backup', 'collectBucket'],
    openings: [
      ['backup', 'backup', 'collectBucket'],
      ['collectBucket', 'backup', 'backup', 'backup', 'collectBucket'],
    ],
    ready: ['host/g9'],
    chunkCount: 4,
    graceMs: 0,
    parallelMax: 4,
    bucket: { weather: 'slow', refusedShare: 0.25, ignores: [] },
  },
  // What a former DELETE does to what is uploaded again.
  {
    kinds: ['backup', 'collectBucket', 'forget', 'crash', 'passTime'],
    openings: [
      ['forget', 'collectBucket', 'backup'],
      ['forget', 'collectBucket', 'crash', 'backup', 'collectBucket'],
    ],
    ready: ['host/g1', 'host/g2'],
    chunkCount: 2,
    graceMs: 0,
    bucket: { weather: 'bad' },
  },
  {
    kinds: ['backup', 'collectBucket', 'loseObject', 'verify', 'loseLedger'],
    openings: [['loseObject', 'collectBucket', 'backup', 'collectBucket']],
    ready: ['host/g1'],
    chunkCount: 3,
    graceMs: 0,
  },
  // Parts that are older than others.
  {
    kinds: ['takeImage', 'backup', 'forget', 'collectBucket', 'rollBackDisk', 'rollBackMachine'],
    openings: [
      ['takeImage', 'backup', 'collectBucket', 'rollBackDisk', 'collectBucket', 'backup'],
      [
        'takeImage',
        'backup',
        'forget',
        'collectBucket',
        'rollBackMachine',
        'backup',
        'collectBucket',
      ],
    ],
    ready: ['host/g1', 'host/g1'],
    graceMs: 0,
    parallelMax: 1,
  },
  {
    kinds: ['takeImage', 'backup', 'forget', 'collectBucket', 'rollBackLedger', 'loseLedger'],
    openings: [['takeImage', 'forget', 'collectBucket', 'rollBackLedger', 'backup', 'backup']],
    ready: ['host/g1', 'host/g1'],
    chunkCount: 3,
    graceMs: 0,
    parallelMax: 2,
  },
  {
    kinds: ['takeImage', 'backup', 'forget', 'collectBucket', 'rollBackBucket', 'refresh'],
    openings: [['takeImage', 'backup', 'collectBucket', 'rollBackBucket', 'backup', 'refresh']],
    ready: ['host/g1', 'host/g2'],
    graceMs: 0,
    parallelMax: 1,
  },
  // A copy of ourselves.
  {
    kinds: [
      'backup',
      'clone',
      'cloneBackup',
      'cloneCollect',
      'cloneForget',
      'forget',
      'collectBucket',
    ],
    openings: [
      ['clone', 'backup', 'cloneCollect'],
      ['clone', 'backup', 'forget', 'cloneForget', 'cloneCollect', 'backup'],
      ['clone', 'cloneBackup', 'cloneForget', 'collectBucket'],
    ],
    ready: ['host/g1', 'host/g2'],
    chunkCount: 3,
    graceMs: 0,
    parallelMax: 3,
    // Without conditions two of us cannot be told apart (races.md R-59: the administrator confirms).
    bucket: { ignores: [] },
  },
  // Two sides of everything.
  {
    kinds: ['backup', 'forget', 'setNotes', 'protect', 'move', 'crash', 'cutPower', 'refresh'],
    openings: [
      ['backup', 'crash', 'refresh'],
      ['forget', 'crash', 'refresh', 'backup'],
      ['move', 'crash', 'refresh'],
    ],
    ready: ['host/g1', 'm:host/g1'],
    parallelMax: 2,
  },
  { kinds: ['backup', 'collectBucket', 'refresh', 'crash', 'reload'] },
]
