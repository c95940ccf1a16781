/** A schedule: the world it begins in, the operations in their order, and (once it ran) each choice that was made. */
import { type Fault, type Operation, SHORT_LISTING } from './operations/operation.ts'
import { KINDS, type Kind } from './operations/table.ts'
import type { Choice, StallPlace } from './policy.ts'
import { Random } from './random.ts'
import type { ReadySnapshot, WorldOptions } from './world.ts'
import { CHUNK_COUNT } from './counts.ts'
import { type Theme, THEMES } from './themes.ts'

export interface Schedule {
  readonly seed: number
  readonly world: WorldOptions
  /** In the order in which they begin. */
  readonly operations: readonly Operation[]
  /** How many run at the same time. */
  readonly parallelMax: number
  /** Where operations are held up; null: by chance. */
  readonly stall: StallPlace | null
  /** Null: decided by the seed. */
  readonly choices: readonly Choice[] | null
}

/** Schedules with a theme. */
const THEME_SHARE = 0.7
/** Each as often as its weight says. */
const WEIGHTED_THEMES = THEMES.flatMap((theme) =>
  Array.from({ length: theme.weight ?? 1 }, () => theme),
)

export function makeSchedule(seed: number): Schedule {
  const random = new Random(seed)
  const theme = random.chance(THEME_SHARE) ? random.pick(WEIGHTED_THEMES) : null
  const opening = openingOf(random, theme)
  const count = Math.max(opening.length, 3 + random.below(5))
  const operations: Operation[] = []
  const weights = weightsOf(random, theme)
  const hasFaults = random.chance(0.3)
  for (let id = 1; id <= count; id += 1) {
    const kind = opening[id - 1] ?? random.weighted(weights)
    const fault = hasFaults && random.chance(0.3) ? makeFault(random, kind) : null
    operations.push({ id, kind, seed: random.next(), fault })
  }
  return {
    seed,
    world: makeWorld(random, operations, theme),
    operations,
    parallelMax: theme?.parallelMax ?? 2 + random.below(3),
    stall: theme?.stall !== undefined && random.chance(0.7) ? theme.stall : null,
    choices: null,
  }
}

/** Each schedule leaves some kinds out: what is rare beside everything else is frequent in a few. */
function weightsOf(random: Random, theme: Theme | null): Record<Kind, number> {
  const weights = { ...KINDS }
  for (const kind of Object.keys(weights) as Kind[]) {
    if (theme !== null) {
      weights[kind] = theme.kinds.includes(kind) ? Math.max(weights[kind], 10) : 0
      continue
    }
    if (kind !== 'backup' && random.chance(kind === 'collect' ? 0.1 : 0.5)) weights[kind] = 0
  }
  return weights
}

function openingOf(random: Random, theme: Theme | null): readonly Kind[] {
  const { openings, alwaysOpens = false } = theme ?? {}
  if (openings === undefined || !(random.chance(0.5) || alwaysOpens)) return []
  return random.pick(openings)
}

const ERRNOS = ['EIO', 'ENOSPC', 'EMFILE', 'EACCES', 'ESTALE']

function makeFault(random: Random, kind: string): Fault {
  const at = random.chance(0.5) ? 1 + random.below(30) : 1 + random.below(150)
  if (kind === 'collect' && random.chance(0.4)) return { at, errno: SHORT_LISTING }
  return { at, errno: random.pick(ERRNOS) }
}

/** Kinds after which chunks are in doubt by their times. */
const IN_DOUBT = ['cutPower', 'failWriteBack']
/** Kinds after which files may be gone or damaged. */
const ROUGH = ['cutPower', 'failWriteBack', 'rot']

function makeWorld(
  random: Random,
  operations: readonly Operation[],
  theme: Theme | null,
): WorldOptions {
  const { chunkCount = 2 + random.below(CHUNK_COUNT - 1), hasGarbage, graceMs } = theme ?? {}
  const drawn = random.pick(['filesystem', 'filesystem', 'filesystem', 'file', 'none'] as const)
  const syncLevel = theme?.syncLevel ?? drawn
  const grace = random.pick([0, 0, 0, 0, 2_000, 86_700_000])
  return {
    slowAnswers: random.pick([0, 0, 0, 0.05, 0.3]),
    chunkCount,
    tellsErrorsLate: tellsLate(random, operations, syncLevel),
    timeStepMs: random.pick(timeStepsMs(operations)),
    stepMs: random.pick([0, 1, 10, 1000]),
    settings: { gcGraceMs: graceMs ?? grace, syncLevel },
    isGentle: operations.every(({ kind, fault }) => fault === null && !ROUGH.includes(kind)),
    isSpaceMounted: random.chance(0.1),
    countsUses: false,
    hasAlias: false,
    hasOneGroup: false,
    endsWithCollection: random.chance(0.1),
    ready: makeReady(random, theme?.ready ?? groups(random), chunkCount),
    garbage: Array.from({ length: hasGarbage ? 2 : random.below(3) }, () =>
      random.below(hasGarbage ? chunkCount : CHUNK_COUNT),
    ),
    ...theme?.world,
  }
}

const TIME_STEPS_MS = [1, 4, 1000, 2000]
const DAY_MS = 86_400_000

/** What a power cut or a failed sync leaves in doubt is told by file times, and no clock of files is a minute off. */
function timeStepsMs(operations: readonly Operation[]): readonly number[] {
  const isInDoubt = operations.some(({ kind }) => IN_DOUBT.includes(kind))
  return isInDoubt ? TIME_STEPS_MS : [...TIME_STEPS_MS, DAY_MS]
}

function groups(random: Random): string[] {
  const length = random.below(4)
  return Array.from({ length }, () => random.pick(['host/g1', 'host/g1', 'm:host/g1']))
}

/** Snapshots that are there already. */
export function makeReady(
  random: Random,
  groups: readonly string[],
  chunkCount: number,
): ReadySnapshot[] {
  return groups.map((group) => ({ group, archives: archives(random, chunkCount) }))
}

/**
 * A descriptor that is opened after a failed write-back need not hear of it, the rule says. At level `file`, and
 * for a second process after a reload, ours relies on the kernel that tells it once (docs/simulator.md).
 */
function tellsLate(random: Random, operations: readonly Operation[], syncLevel: string): boolean {
  const reloads = operations.some(({ kind }) => kind === 'reload')
  return reloads || syncLevel === 'file' || random.chance(0.5)
}

function archives(random: Random, chunkCount: number): Record<string, number[]> {
  const made: Record<string, number[]> = {}
  for (const name of ['a.didx', 'b.fidx']) {
    if (random.chance(0.7)) {
      made[name] = Array.from({ length: 1 + random.below(2) }, () => random.below(chunkCount))
    }
  }
  if (Object.keys(made).length === 0) made['a.didx'] = [0]
  return made
}
