/** The variants of the models that must hold, and the mutations that must be found, each in one variant. */
import { runSpin, type SpinResult } from './spin.ts'

export interface Variant {
  readonly name: string
  readonly model: 'collection' | 'power' | 'bucket'
  readonly defines: readonly string[]
  /** Names of `M_…` without that prefix: what is left out of the protocol. */
  readonly mutations: readonly string[]
  /** Left out of the short setting: the whole takes longer than a minute. */
  readonly isLong?: boolean
}

export const VARIANTS: readonly Variant[] = [
  {
    name: 'one session, one collection, forget',
    model: 'collection',
    defines: ['FORGET', 'ONE_SESSION', 'RUNS=1'],
    mutations: [
      'REGISTER_MARKS_NOTHING',
      'REGISTER_AFTER_GATE',
      'REGISTER_BEFORE_PUT',
      'KNOWN_NOT_REGISTERED',
      'UPLOAD_WITHOUT_GATE',
      'SWEEP_WITHOUT_GATE',
      'NO_SECOND_LOOK',
      'GATE_OPENS_BEFORE_THE_UNLINK',
      'NO_SEED',
      'SEED_AFTER_LISTING',
      'SEED_BEFORE_ACTIVE',
      'SESSION_LEAVES_BEFORE_ITS_INDEX',
      'BASE_NOT_LOCKED',
    ],
  },
  {
    name: 'two sessions, two collections, forget',
    model: 'collection',
    defines: ['FORGET'],
    mutations: [],
  },
  {
    name: 'one group, one session after the other',
    model: 'collection',
    defines: ['FORGET', 'GROUP_2=0'],
    mutations: [],
    isLong: true,
  },
  {
    name: 'move, one session',
    model: 'collection',
    defines: ['MOVE', 'FORGET', 'ONE_SESSION', 'RUNS=1'],
    mutations: ['MOVE_DOES_NOT_REGISTER', 'MOVE_REGISTERS_AFTERWARDS'],
  },
  {
    name: 'move, two sessions, two collections',
    model: 'collection',
    defines: ['MOVE', 'FORGET'],
    mutations: [],
    isLong: true,
  },
  {
    name: "stock's move in another process, one session",
    model: 'collection',
    defines: ['JOURNAL', 'FORGET', 'ONE_SESSION', 'RUNS=1'],
    mutations: ['JOURNAL_NOT_READ'],
  },
  {
    name: "stock's move in another process, two sessions, two collections",
    model: 'collection',
    defines: ['JOURNAL', 'FORGET'],
    mutations: [],
    isLong: true,
  },
  {
    name: 'two processes, a collection in each',
    model: 'collection',
    defines: ['PROCESS_2=1', 'RUNS=1', 'FORGET'],
    mutations: [
      'SESSION_TAKES_NO_PROCESS_LOCK',
      'COLLECTION_TAKES_NO_PROCESS_LOCK',
      'PROCESS_LOCK_ENDS_BEFORE_THE_INDEX',
    ],
  },
  {
    name: 'two processes, a collection in each, move',
    model: 'collection',
    defines: ['PROCESS_2=1', 'RUNS=1', 'FORGET', 'MOVE'],
    mutations: ['MOVE_TAKES_NO_PROCESS_LOCK'],
    isLong: true,
  },
  {
    name: 'verify, one collection',
    model: 'collection',
    defines: ['VERIFY=1', 'RUNS=1', 'ONE_SESSION', 'FORGET'],
    mutations: [
      'NO_POISON',
      'POISON_AFTER_THE_RENAME',
      'CONDEMNED_NOT_ASKED',
      'NOT_ASKED_AFTER_PUBLISHING',
      'FINISH_LOOKS_AT_NOTHING',
    ],
  },
  {
    name: 'verify twice, two sessions',
    model: 'collection',
    defines: ['VERIFY=2', 'RUNS=0'],
    mutations: ['BAD_MARKING_WITHOUT_GATE', 'BAD_MARKING_DOES_NOT_READ_AGAIN'],
  },
  {
    name: 'verify twice, two sessions, one collection',
    model: 'collection',
    defines: ['VERIFY=2', 'RUNS=1'],
    mutations: [],
    isLong: true,
  },
  {
    name: 'verify beside another process',
    model: 'collection',
    defines: ['VERIFY=1', 'RUNS=1', 'PROCESS_2=1'],
    mutations: ['BAD_MARKING_ASKS_NO_PROCESS_LOCK', 'BAD_MARKING_DOES_NOT_KEEP_THE_PROCESS_LOCK'],
  },
  {
    name: 'kept digest lists, one session',
    model: 'collection',
    defines: ['KEPT', 'FORGET', 'ONE_SESSION', 'SLOT_1=0'],
    mutations: ['STALE_LIST_TRUSTED'],
  },
  {
    name: 'kept digest lists, two sessions',
    model: 'collection',
    defines: ['KEPT', 'FORGET', 'SLOT_2=1'],
    mutations: [],
    isLong: true,
  },
  {
    name: 'a mount that goes and comes back',
    model: 'collection',
    defines: ['KEPT', 'MOUNT', 'FORGET', 'ONE_SESSION'],
    mutations: ['VANISHED_ROOTS_FORGOTTEN'],
  },
  {
    name: 'a power cut at any step, and what comes after it',
    model: 'power',
    defines: [],
    mutations: [
      'MANIFEST_BEFORE_SYNC',
      'NO_SYNC_BEFORE_THE_MANIFEST',
      'NO_SYNC_BEFORE_THE_SWEEP',
      'NO_DOUBT_AFTER_THE_CUT',
    ],
  },
  {
    name: 'a failed sync beside two sessions, then a power cut',
    model: 'power',
    defines: ['SYNC_FAILS'],
    mutations: [
      'FAILED_SYNC_FAILS_ONE_SESSION',
      'NO_DOUBT_AFTER_A_FAILED_SYNC',
      'DOUBTFUL_CHUNKS_NOT_REWRITTEN',
    ],
  },
  {
    name: 'a bucket: two sessions, two collections, late deletes',
    model: 'bucket',
    defines: [],
    mutations: [
      'REGISTER_AFTER_GATE',
      'ENTRY_OF_THE_REQUEST',
      'SUSPECT_IS_FINAL',
      'FINISH_DOES_NOT_SETTLE',
      'NO_SECOND_LOOK',
      'GATE_OPENS_BEFORE_THE_DELETE',
      'IN_DOUBT_IS_FORGOTTEN',
      'LATE_IS_FORGOTTEN',
      'LISTED_IS_ADDED_UNSEEN',
    ],
  },
  {
    name: 'a bucket: killed at any step, one collection each',
    model: 'bucket',
    defines: ['KILL', 'RUNS=1'],
    mutations: ['CONDEMNED_AFTER'],
  },
  {
    name: 'a bucket: killed at any step, two collections each',
    model: 'bucket',
    defines: ['KILL'],
    mutations: [],
    isLong: true,
  },
]

/** One call of the verifier. */
export interface ModelRun {
  readonly name: string
  readonly model: Variant['model']
  readonly defines: readonly string[]
  readonly expectsFailure: boolean
  readonly isLong: boolean
}

/** Variants first, the long ones ahead. */
export function planModelRuns(options: { readonly short: boolean }): ModelRun[] {
  const chosen = VARIANTS.filter(({ isLong = false }) => !options.short || !isLong)
  const right = chosen.map(({ name, model, defines, isLong = false }) => {
    return { name, model, defines, expectsFailure: false, isLong }
  })
  const mutated = chosen.flatMap((variant) =>
    variant.mutations.map((mutation) => ({
      name: `${variant.name}: ${mutation.toLowerCase().replaceAll('_', ' ')}`,
      model: variant.model,
      defines: [...variant.defines, `M_${mutation}`],
      expectsFailure: true,
      isLong: false,
    })),
  )
  return [...right, ...mutated]
}

export async function runModel(
  modelRun: ModelRun,
  timeoutMs: number,
): Promise<SpinResult & { readonly isRight: boolean }> {
  const result = await runSpin({ ...modelRun, timeoutMs })
  return { ...result, isRight: result.outcome === (modelRun.expectsFailure ? 'violated' : 'holds') }
}
