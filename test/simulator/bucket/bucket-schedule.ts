/** Schedules of a store in a bucket. */
import { CHUNK_COUNT } from '../counts.ts'
import type { Operation } from '../operations/operation.ts'
import type { Kind } from '../operations/table.ts'
import { Random } from '../random.ts'
import { makeReady, type Schedule } from '../schedule.ts'
import type { WorldOptions } from '../world.ts'
import type { BucketOptions } from './bucket-side.ts'
import { BUCKET_THEMES, type BucketTheme } from './bucket-themes.ts'

/** How often each kind is drawn where no theme says which. */
const WEIGHTS: Readonly<Partial<Record<Kind, number>>> = {
  backup: 30,
  collectBucket: 24,
  forget: 8,
  prune: 4,
  removeGroup: 2,
  protect: 1,
  setNotes: 3,
  verify: 5,
  restore: 3,
  move: 3,
  moveSpace: 1,
  removeSpace: 1,
  reload: 3,
  crash: 5,
  cutPower: 4,
  passTime: 4,
  refresh: 3,
  loseObject: 2,
  loseLedger: 2,
}
/** Salt: the same seed is another schedule without a bucket. */
const SALT = 0xb0c4e7

export function makeBucketSchedule(seed: number): Schedule {
  const random = new Random(seed ^ SALT)
  const theme = random.chance(0.6) ? random.pick(BUCKET_THEMES) : null
  const openings = theme?.openings
  const opening = openings !== undefined && random.chance(0.6) ? random.pick(openings) : []
  const count = Math.max(opening.length, 3 + random.below(5))
  const weights = weightsOf(random, theme)
  const operations: Operation[] = []
  for (let id = 1; id <= count; id += 1) {
    const kind = opening[id - 1] ?? random.weighted(weights)
    operations.push({ id, kind, seed: random.next(), fault: null })
  }
  return {
    seed,
    world: makeWorld(random, theme),
    operations,
    parallelMax: theme?.parallelMax ?? 2 + random.below(3),
    stall: null,
    choices: null,
  }
}

function weightsOf(
  random: Random,
  theme: BucketTheme | null,
): Record<string, number> & Record<Kind, number> {
  const weights: Partial<Record<Kind, number>> = {}
  for (const [name, weight] of Object.entries(WEIGHTS) as [Kind, number][]) {
    const isLeftOut = name !== 'backup' && random.chance(name === 'collectBucket' ? 0.1 : 0.5)
    weights[name] = theme === null && !isLeftOut ? weight : 0
  }
  for (const kind of theme?.kinds ?? []) weights[kind] = Math.max(WEIGHTS[kind] ?? 0, 10)
  return weights as Record<Kind, number>
}

function makeWorld(random: Random, theme: BucketTheme | null): WorldOptions {
  const { chunkCount = 2 + random.below(CHUNK_COUNT - 1), graceMs } = theme ?? {}
  const groups = Array.from({ length: random.below(4) }, () =>
    random.pick(['host/g1', 'host/g1', 'm:host/g1']),
  )
  return {
    slowAnswers: random.pick([0, 0, 0, 0.05]),
    chunkCount,
    tellsErrorsLate: true,
    timeStepMs: 1,
    stepMs: random.pick([0, 1, 10, 1000]),
    settings: {
      gcGraceMs: graceMs ?? random.pick([0, 0, 0, 2_000, 86_700_000]),
      syncLevel: random.pick(['filesystem', 'filesystem', 'file', 'none'] as const),
    },
    isGentle: false,
    isSpaceMounted: false,
    countsUses: false,
    hasAlias: false,
    hasOneGroup: false,
    endsWithCollection: random.chance(0.2),
    ready: makeReady(random, theme?.ready ?? groups, chunkCount),
    garbage: Array.from({ length: random.below(3) }, () => random.below(CHUNK_COUNT)),
    bucket: { ...makeBucket(random), ...theme?.bucket },
  }
}

function makeBucket(random: Random): BucketOptions {
  return {
    seed: random.next(),
    weather: random.pick(['good', 'mixed', 'mixed', 'bad']),
    clockOffsetMs: random.pick([0, 0, -200_000, 3_600_000]),
    ignores: random.pick([[], [], [], [], ['absent'], ['unchanged'], ['absent', 'unchanged']]),
    copies: random.chance(0.8),
    partialShare: random.pick([0, 0, 0.2]),
    refusedShare: 0,
    isCached: random.chance(0.4),
  }
}
