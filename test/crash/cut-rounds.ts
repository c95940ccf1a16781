/** Which cuts are made: one before every named step of every scenario, then others at random. */
import { Random } from '../simulator/random.ts'
import { CUT_SCENARIOS, type CutScenario } from './cut-scenarios.ts'
import { CutWorld, type CutWorldOptions } from './cut-world.ts'

/** What the cuts leave adds up, and so does what one process remembers. */
const ROUNDS_PER_DISK = 75
/** Of one disk after the other. At `file` hardly a chunk is ever damaged. */
const SYNC_LEVELS = ['filesystem', 'filesystem', 'file'] as const
/** Beyond the last step now and then: the cut comes after the answer. */
const AFTER_ANSWER = 1.05

export interface CutSummary {
  cutCount: number
  /** Of these, the ones after the answer. */
  afterAnswerCount: number
  damagedCount: number
  /** Kinds of steps that were cut before. */
  readonly stepNames: Set<string>
}

/** Makes `count` cuts, or as many as `durationMaxMs` allows, on disks mounted at `folder`; `report` hears of each. The seed decides all but the kernel. */
export async function cutOften(
  folder: string,
  options: Omit<CutWorldOptions, 'syncLevel'> & {
    readonly count: number
    readonly durationMaxMs?: number
  },
  report: (line: string) => void = () => {},
): Promise<CutSummary> {
  const random = new Random(options.seed)
  const summary: CutSummary = {
    cutCount: 0,
    afterAnswerCount: 0,
    damagedCount: 0,
    stepNames: new Set(),
  }
  const known = new Map<CutScenario, readonly string[]>()
  let diskCount = 0
  const end = performance.now() + (options.durationMaxMs ?? Infinity)
  const isOver = (): boolean => summary.cutCount >= options.count || performance.now() > end
  while (!isOver()) {
    const seed = random.next()
    const syncLevel = SYNC_LEVELS[diskCount % SYNC_LEVELS.length] ?? 'filesystem'
    diskCount += 1
    await using world = await CutWorld.open(folder, { kind: options.kind, syncLevel, seed })
    const diskEnd = summary.cutCount + ROUNDS_PER_DISK
    while (!isOver() && summary.cutCount < diskEnd) {
      const scenario = random.pick(CUT_SCENARIOS)
      const at = pickStep(known.get(scenario), { random, seen: summary.stepNames, scenario })
      const round = await world.cut(scenario, at)
      if (!round.wasCut) known.set(scenario, round.steps)
      count(summary, scenario, round)
      const before = round.wasCut ? `before ${round.steps.at(-1)}` : 'after the answer'
      report(
        `${options.kind} ${syncLevel} ${summary.cutCount} ${scenario.name}: ${before}, ${round.damagedCount} damaged`,
      )
    }
  }
  return summary
}

/** 0 (after the answer) the first time, which tells the steps; then one of a kind not seen yet, if there is one. */
function pickStep(
  steps: readonly string[] | undefined,
  { random, seen, scenario }: { random: Random; seen: ReadonlySet<string>; scenario: CutScenario },
): number {
  if (steps === undefined) return 0
  const unseen = steps.flatMap((step, index) =>
    seen.has(nameOf(scenario, step)) ? [] : [index + 1],
  )
  if (unseen.length > 0) return random.pick(unseen)
  return random.below(Math.ceil(steps.length * AFTER_ANSWER)) + 1
}

function count(
  summary: CutSummary,
  scenario: CutScenario,
  round: {
    readonly steps: readonly string[]
    readonly wasCut: boolean
    readonly damagedCount: number
  },
): void {
  summary.cutCount += 1
  summary.damagedCount += round.damagedCount
  if (round.wasCut) summary.stepNames.add(nameOf(scenario, round.steps.at(-1) ?? ''))
  else summary.afterAnswerCount += 1
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
