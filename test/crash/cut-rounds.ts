/** Which cuts are made: one before every named step of every scenario, then others at random. */
import { Random } from '../simulator/random.ts'
import { CUT_SCENARIOS, type CutScenario } from './cut-scenarios.ts'
import { type Cut, type CutPlan, CutWorld, type CutWorldOptions } from './cut-world.ts'

/** What the cuts leave adds up, and so does what one process remembers. */
const ROUNDS_PER_DISK = 60
/** Cuts of a round besides the one that ends it. */
const IMAGE_COUNT = 24
/** One round of so many is asked over the protocol, and kept. */
const KEPT_EACH = 3
/** Of one disk after the other. At `file` hardly a chunk is ever damaged. */
const SYNC_LEVELS = ['filesystem', 'filesystem', 'file'] as const
/** Beyond the last step now and then: the cut comes after the answer. */
const AFTER_ANSWER = 1.05
/** Rounds that may end in their first half; the others have more to be taken aside. */
const EARLY_CHANCE = 0.3
/** Where the steps of a scenario are not known yet, it has so many. */
const STEPS_GUESS = 40
/** As it stands in counts of cuts by the kind of step. */
const ANSWERED = 'after the answer'

export interface CutSummary {
  cutCount: number
  /** Of these, the ones after the answer. */
  afterAnswerCount: number
  damagedCount: number
  /** Cuts by scenario and kind of step, `collection: rename /main/…`. */
  readonly stepCounts: Map<string, number>
}

/** Makes `count` cuts, or as many as `durationMaxMs` allows, on disks mounted at `folder`; `report` hears of each. The seed decides all but the kernel. */
export async function cutOften(
  folder: string,
  options: Omit<CutWorldOptions, 'syncLevel'> & {
    readonly count: number
    readonly durationMaxMs?: number
    /** Only scenarios whose names begin so; all by default. */
    readonly only?: string
  },
  report: (line: string, summary: CutSummary) => void = () => {},
): Promise<CutSummary> {
  const random = new Random(options.seed)
  const summary: CutSummary = {
    cutCount: 0,
    afterAnswerCount: 0,
    damagedCount: 0,
    stepCounts: new Map(),
  }
  const { only = '' } = options
  const scenarios = CUT_SCENARIOS.filter(({ name }) => name.startsWith(only))
  const played = new Map<CutScenario, readonly string[]>()
  let diskCount = 0
  let roundCount = 0
  const end = performance.now() + (options.durationMaxMs ?? Infinity)
  const isOver = (): boolean => summary.cutCount >= options.count || performance.now() > end
  while (!isOver()) {
    const seed = random.next()
    const syncLevel = SYNC_LEVELS[diskCount % SYNC_LEVELS.length] ?? 'filesystem'
    diskCount += 1
    await using world = await CutWorld.open(folder, { kind: options.kind, syncLevel, seed })
    for (let round = 0; round < ROUNDS_PER_DISK && !isOver(); round += 1) {
      const scenario = pickScenario(random, scenarios, played)
      const steps = played.get(scenario)
      roundCount += 1
      const plan = planOf(steps, { random, summary, scenario })
      const made = await world.cut(scenario, { ...plan, isKept: roundCount % KEPT_EACH === 0 })
      if (made.isWhole || steps === undefined) played.set(scenario, made.steps)
      for (const cut of made.cuts) {
        count(summary, scenario, cut)
        const { before, damagedCount } = cut
        const step = before === null ? ANSWERED : `before ${before}`
        const place = `${options.kind} ${syncLevel} ${summary.cutCount}`
        report(`${place} ${scenario.name}: ${step}, ${damagedCount} damaged`, summary)
      }
    }
  }
  return summary
}

/** Each once; then the longer the more often, so that all steps have their share. */
function pickScenario(
  random: Random,
  scenarios: readonly CutScenario[],
  played: ReadonlyMap<CutScenario, readonly string[]>,
): CutScenario {
  const fresh = scenarios.filter((scenario) => !played.has(scenario))
  if (fresh.length > 0) return random.pick(fresh)
  const weights = scenarios.map((scenario) => [scenario.name, played.get(scenario)?.length ?? 1])
  const name = random.weighted(Object.fromEntries(weights) as Record<string, number>)
  return scenarios.find((scenario) => scenario.name === name) ?? random.pick(scenarios)
}

/** Takes steps of a kind not seen yet, and others at random. */
function planOf(
  steps: readonly string[] | undefined,
  options: {
    readonly random: Random
    readonly summary: CutSummary
    readonly scenario: CutScenario
  },
): Omit<CutPlan, 'isKept'> {
  const { random, summary, scenario } = options
  const stepCount = steps?.length ?? STEPS_GUESS
  const taken = new Set<string>()
  let left = IMAGE_COUNT
  const takes = (step: string): boolean => {
    const kind = nameOf(scenario, step)
    const isNew = !summary.stepCounts.has(kind) && !taken.has(kind)
    // Of a scenario that is played for the first time all are new: not only its first ones.
    const chance = isNew && steps !== undefined ? 1 : IMAGE_COUNT / stepCount
    if (left === 0 || !random.chance(chance)) return false
    left -= 1
    taken.add(kind)
    return true
  }
  // A cut in the middle would leave the other steps unknown.
  if (steps === undefined) return { end: Infinity, takes }
  const first = random.chance(EARLY_CHANCE) ? 0 : stepCount >> 1
  const end = first + random.below(Math.ceil(stepCount * AFTER_ANSWER) - first) + 1
  return { end, takes }
}

function count(summary: CutSummary, scenario: CutScenario, { before, damagedCount }: Cut): void {
  summary.cutCount += 1
  summary.damagedCount += damagedCount
  if (before === null) summary.afterAnswerCount += 1
  const name = before === null ? `${scenario.name}: ${ANSWERED}` : nameOf(scenario, before)
  summary.stepCounts.set(name, (summary.stepCounts.get(name) ?? 0) + 1)
}

/** Without what differs from run to run: digests, times, process ids, random endings. */
function nameOf({ name }: CutScenario, step: string): string {
  const kind = step
    .replaceAll(/[0-9a-f]{64}/g, 'DIGEST')
    .replaceAll(/UPID:[^/ ]*/g, 'UPID')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, 'TIME')
    .replaceAll(/[.][A-Za-z0-9_]{6}$|tmp_\w{6}|[0-9a-f]{8,}/g, 'X')
    .replaceAll(/\/[0-9a-f]{4}(?=\/|$)/g, '/XXXX')
    .replaceAll(/\/tasks\/[0-9A-F]{2}/g, '/tasks/XX')
  return `${name}: ${kind}`
}
