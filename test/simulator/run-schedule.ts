/** Plays one schedule to its end, or to the first invariant that does not hold. */
import { systemError } from '../../src/base/fs/system-error.ts'
import { beginEnd } from './last-collection.ts'
import { beginBucketEnd } from './bucket/bucket-end.ts'
import { OPERATIONS, type Kind } from './operations/table.ts'
import { type Operation, SHORT_LISTING } from './operations/operation.ts'
import { type Choice, type Policy, RandomPolicy, RecordedPolicy } from './policy.ts'
import { Random } from './random.ts'
import type { Schedule } from './schedule.ts'
import type { Actor, Call } from './actor.ts'
import { errorText, Violation } from './violation.ts'
import { World } from './world.ts'

/** A schedule that takes more steps is stuck in a loop. */
const STEPS_MAX = 20_000
/** Salt: choices are drawn from other numbers than the schedule itself. */
const POLICY_SALT = 0x5eed

export interface Outcome {
  readonly violation: Violation | null
  readonly stepCount: number
  readonly choices: readonly Choice[]
  /** Codes of errors that operations ended with. */
  readonly endings: ReadonlyMap<string, string>
}

/** Called with each step. */
export type OnStep = (call: Call, error: unknown) => void

export function runSchedule(schedule: Schedule, onStep: OnStep | null = null): Outcome {
  const policy: Policy & { readonly choices: Choice[] } =
    schedule.choices === null
      ? new RandomPolicy(new Random(schedule.seed ^ POLICY_SALT), schedule.stall)
      : new RecordedPolicy(schedule.choices)
  const world = new World(schedule.world, policy)
  world.scheduler.onStep = (call, error) => {
    world.afterStep(call, error !== undefined)
    onStep?.(call, error)
  }
  world.scheduler.isSlow = slowAnswers(schedule)
  world.scheduler.fault = faultsOf(world, schedule.operations)
  const endings = new Map<string, string>()
  const queue = [...schedule.operations]
  const running = new Set<Actor>()
  world.isMoving = schedule.operations.some(({ kind }) => kind === 'moveSpace')
  world.startRecovery()
  for (;;) {
    while (running.size < schedule.parallelMax && queue.length > 0) {
      begin(world, queue.shift() as Operation, { running, endings })
    }
    const didStep = world.scheduler.step()
    for (const actor of running) if (actor.isDone) running.delete(actor)
    if (world.violation !== null) break
    if (world.scheduler.stepCount > STEPS_MAX) world.fail(new Violation('stuck', 'it does not end'))
    if (!didStep && queue.length === 0) {
      if (!world.takeEnd()) break
      if (world.bucket === null) beginEnd(world)
      else beginBucketEnd(world, world.bucket)
    }
    if (!didStep && running.size > 0) {
      world.fail(new Violation('stuck', 'operations wait for nothing'))
    }
  }
  if (world.violation === null) world.checkEnd()
  world.bucket?.close()
  const { stepCount } = world.scheduler
  return { violation: world.violation, stepCount, choices: policy.choices, endings }
}

/** Those that answer what was known before. */
const NEVER_SLOW = ['answer', 'begin', 'turn', 'sleep', 'kernel', 'clock', 'disk', 'request']

function slowAnswers({ seed, world }: Schedule): ((call: Call) => boolean) | null {
  const { slowAnswers: share } = world
  if (share === 0) return null
  return ({ actor, name }) => {
    if (NEVER_SLOW.includes(name)) return false
    // By the operation's own steps: what others do must not change it when a schedule is shrunk.
    return new Random(seed + actor.id * 65_537 + actor.callCount).chance(share)
  }
}

/** Where snapshots are looked for. */
const ROOT_FOLDER = /^\/data\/(?:store|alias)(?:\/(?:ns|host)|$)/
/** Calls that answer no question and change nothing do not fail. */
const NEVER_FAIL = [...NEVER_SLOW, 'close']

function faultsOf(
  world: World,
  operations: readonly Operation[],
): ((call: Call) => 'empty' | null) | null {
  const faults = new Map(
    operations.flatMap(({ id, fault }) => (fault === null ? [] : [[id, fault] as const])),
  )
  if (faults.size === 0) return null
  return ({ actor, name, detail }) => {
    const fault = faults.get(actor.id)
    if (fault === undefined || actor.callCount < fault.at || NEVER_FAIL.includes(name)) return null
    if (fault.errno === SHORT_LISTING) {
      if (name !== 'readDir' || !ROOT_FOLDER.test(detail)) return null
      faults.delete(actor.id)
      return 'empty'
    }
    faults.delete(actor.id)
    world.noteFault(actor, `${name} ${detail}`)
    throw systemError(fault.errno, name, detail)
  }
}

function begin(
  world: World,
  operation: Operation,
  into: { readonly running: Set<Actor>; readonly endings: Map<string, string> },
): void {
  const { id, kind, seed } = operation
  const process = world.processOf(kind)
  const random = new Random(seed)
  const isOther = isStock(kind)
  process.operationCount += 1
  const actor: Actor = world.scheduler.start(
    { id, name: `${kind} #${id}`, process: isOther ? world.stock : process },
    async () => {
      try {
        await OPERATIONS[kind as Kind]({ world, process, actor, random })
      } finally {
        world.endUse(actor)
      }
    },
    (error) => {
      process.operationCount -= 1
      into.endings.set(`${kind} #${id}`, endingOf(error))
      world.operationEnded(process, actor, error)
    },
  )
  into.running.add(actor)
}

function isStock(kind: string): boolean {
  return kind.startsWith('stock')
}

function endingOf(error: unknown): string {
  if (error === undefined) return 'ok'
  if (error instanceof Error && 'code' in error) return String(error.code)
  return errorText(error)
}
