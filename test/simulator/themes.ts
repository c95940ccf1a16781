/** Kinds of operations that meet in races which need several at the right moment, and the worlds that these need. */
import type { Kind } from './operations/table.ts'
import type { StallPlace } from './policy.ts'
import type { WorldOptions } from './world.ts'

export interface Theme {
  readonly kinds: readonly Kind[]
  /** How often it is taken; 1 by default. */
  readonly weight?: number
  /** Beginnings, of which half of the schedules take one. */
  readonly openings?: readonly (readonly Kind[])[]
  /** Whether all of them do. */
  readonly alwaysOpens?: true
  /** Groups of snapshots that are there already. */
  readonly ready?: readonly string[]
  readonly chunkCount?: number
  readonly hasGarbage?: true
  readonly graceMs?: number
  readonly syncLevel?: 'filesystem'
  /** How many run at the same time, where that matters. */
  readonly parallelMax?: number
  /** Most of the schedules hold operations up there. */
  readonly stall?: StallPlace
  readonly world?: Partial<WorldOptions>
}

/** File times that are older than any collection: neither a touch nor a new file says that a chunk is in use. */
const COARSE = { timeStepMs: 86_400_000, stepMs: 10 }

function firstCalls(length: number): readonly number[] {
  return Array.from({ length }, (_, index) => index + 1)
}

export const THEMES: readonly Theme[] = [
  {
    kinds: ['backup', 'verify', 'rot'],
    openings: [
      ['rot', 'backup', 'verify'],
      ['rot', 'verify', 'backup', 'verify'],
      ['rot', 'backup', 'rot', 'verify'],
      ['backup', 'backup', 'rot', 'verify'],
    ],
    weight: 2,
    ready: ['host/g1', 'host/g2'],
    chunkCount: 2,
  },
  // Damage that an upload heals while a verification is about to set it aside.
  {
    kinds: ['backup', 'verify', 'rot'],
    openings: [
      ['rot', 'verify', 'backup', 'backup'],
      ['rot', 'rot', 'verify', 'backup', 'backup'],
      ['rot', 'verify', 'verify', 'backup', 'backup'],
    ],
    alwaysOpens: true,
    weight: 3,
    parallelMax: 3,
    ready: ['host/g2', 'host/g2'],
    chunkCount: 2,
    stall: { area: '/.chunks/', calls: firstCalls(6) },
    world: { slowAnswers: 0.05 },
  },
  { kinds: ['backup', 'collect', 'forget'] },
  {
    kinds: ['backup', 'collect'],
    openings: [['backup', 'collect', 'backup']],
    weight: 3,
    chunkCount: 3,
    hasGarbage: true,
    graceMs: 0,
    stall: { area: '/.chunks/', calls: firstCalls(9) },
    world: COARSE,
  },
  // A grace, and time that passes while a collection runs.
  {
    kinds: ['backup', 'collect', 'passTime'],
    openings: [
      ['backup', 'collect', 'passTime'],
      ['collect', 'backup', 'passTime'],
    ],
    chunkCount: 3,
    hasGarbage: true,
    graceMs: 2_000,
    world: { timeStepMs: 1, stepMs: 10 },
  },
  { kinds: ['backup', 'collect', 'move', 'moveSpace'] },
  {
    kinds: ['move', 'reload', 'collect'],
    openings: [['move', 'reload', 'collect']],
    alwaysOpens: true,
    weight: 2,
    parallelMax: 2,
    stall: { area: '/host/', calls: firstCalls(12) },
    ready: ['m:host/g1'],
    graceMs: 0,
    world: { stepMs: 10 },
  },
  { kinds: ['backup', 'forget', 'removeGroup', 'prune', 'protect'] },
  { kinds: ['verify', 'setNotes', 'forget', 'backup'] },
  {
    kinds: ['verify', 'setNotes'],
    openings: [['setNotes', 'verify', 'verify', 'setNotes']],
    ready: ['host/g1'],
  },
  {
    kinds: ['setNotes', 'forget'],
    openings: [
      ['setNotes', 'forget'],
      ['forget', 'setNotes'],
    ],
    alwaysOpens: true,
    parallelMax: 2,
    ready: ['host/g1', 'host/g1'],
  },
  // Sessions of a process that only waits for them, beside a collection of the next.
  {
    kinds: ['backup', 'reload', 'collect'],
    openings: [
      ['backup', 'reload', 'collect'],
      ['backup', 'backup', 'reload', 'collect'],
    ],
    alwaysOpens: true,
    parallelMax: 2,
    chunkCount: 3,
    hasGarbage: true,
    graceMs: 0,
    world: COARSE,
  },
  {
    kinds: ['backup', 'passTime', 'stockCollect'],
    openings: [['backup', 'passTime', 'stockCollect']],
    alwaysOpens: true,
    parallelMax: 2,
    chunkCount: 3,
    hasGarbage: true,
  },
  // Ends in the middle of making a group.
  {
    kinds: ['backup', 'crash'],
    openings: [['backup', 'crash', 'backup', 'backup']],
    alwaysOpens: true,
    parallelMax: 2,
    ready: [],
    stall: { area: '/host/', calls: firstCalls(6) },
    world: { hasOneGroup: true },
  },
  // Lock files that somebody removes while another has them open.
  {
    kinds: ['backup', 'removeGroup', 'stockBackup'],
    openings: [
      ['removeGroup', 'stockBackup', 'backup'],
      ['removeGroup', 'stockBackup', 'backup'],
      ['removeGroup', 'backup', 'stockBackup'],
    ],
    alwaysOpens: true,
    weight: 3,
    parallelMax: 2,
    ready: ['host/g1'],
    // Who makes the file is held up while it has it, the next one when it has opened it.
    stall: { area: '/run/locks/', calls: [2, 6, 7, 8] },
    world: { slowAnswers: 0.9, hasOneGroup: true },
  },
  { kinds: ['backup', 'collect', 'reload', 'crash'] },
  {
    kinds: ['backup', 'failWriteBack', 'cutPower', 'kernel'],
    openings: [['backup', 'backup', 'failWriteBack', 'backup']],
    chunkCount: 2,
  },
  {
    kinds: ['backup', 'failWriteBack'],
    openings: [
      ['backup', 'backup', 'failWriteBack'],
      ['backup', 'backup', 'backup', 'failWriteBack'],
    ],
    alwaysOpens: true,
    weight: 2,
    parallelMax: 4,
    ready: [],
    syncLevel: 'filesystem',
    stall: { area: 'sync', calls: firstCalls(14) },
  },
  {
    kinds: ['backup', 'cutPower'],
    openings: [['backup', 'cutPower', 'backup', 'cutPower']],
    alwaysOpens: true,
    weight: 3,
    parallelMax: 2,
    ready: [],
    chunkCount: 2,
    syncLevel: 'filesystem',
    stall: { area: 'sync', calls: firstCalls(10) },
    world: { isSpaceMounted: true },
  },
  {
    kinds: ['backup', 'cutPower'],
    openings: [
      ['backup', 'backup', 'cutPower', 'backup', 'backup', 'backup'],
      ['backup', 'backup', 'backup', 'cutPower', 'backup', 'backup', 'backup'],
    ],
    ready: [],
    chunkCount: 2,
    syncLevel: 'filesystem',
  },
  { kinds: ['backup', 'removeSpace', 'forget'] },
  {
    kinds: ['forget', 'collect', 'kernel', 'cutPower', 'crash'],
    openings: [['forget', 'collect', 'cutPower']],
    alwaysOpens: true,
    parallelMax: 1,
    ready: ['m:host/g1', 'm:host/g1', 'host/g1'],
    graceMs: 0,
    world: { isSpaceMounted: true },
  },
  {
    kinds: ['collect', 'unmountSpace', 'mountSpace'],
    openings: [['collect', 'unmountSpace', 'collect', 'mountSpace']],
    ready: ['m:host/g1', 'host/g1'],
    graceMs: 0,
    world: { isSpaceMounted: true, stepMs: 10 },
  },
  {
    kinds: ['backup', 'collect', 'reconfigure'],
    openings: [['backup', 'reconfigure', 'collect']],
    chunkCount: 3,
    hasGarbage: true,
    graceMs: 0,
    world: COARSE,
  },
  {
    kinds: ['collect', 'forget', 'resync'],
    openings: [
      ['backup', 'collect', 'forget', 'resync', 'collect'],
      ['backup', 'backup', 'collect', 'forget', 'resync', 'collect'],
    ],
    alwaysOpens: true,
    ready: [],
    chunkCount: 3,
    hasGarbage: true,
    graceMs: 0,
    parallelMax: 1,
    world: COARSE,
  },
  {
    kinds: ['collect', 'stockMove', 'stockBackup', 'forget'],
    openings: [
      ['collect', 'stockMove'],
      ['stockMove', 'collect', 'stockMove'],
    ],
    ready: ['m:host/g1'],
    graceMs: 0,
    world: { stepMs: 10 },
  },
  {
    kinds: ['backup', 'collect', 'forget', 'stockBackup', 'stockCollect'],
    openings: [
      ['backup', 'stockCollect'],
      ['stockBackup', 'collect'],
    ],
    alwaysOpens: true,
    ready: ['host/g1', 'host/g3'],
    chunkCount: 3,
    hasGarbage: true,
    graceMs: 0,
    world: COARSE,
  },
  {
    kinds: ['backup', 'collect', 'forget', 'setNotes'],
    openings: [
      ['backup', 'backup', 'collect'],
      ['collect', 'backup', 'backup'],
      ['backup', 'forget', 'backup', 'forget'],
    ],
    ready: ['host/g1', 'host/g1'],
    chunkCount: 3,
    hasGarbage: true,
    graceMs: 0,
    world: { ...COARSE, hasAlias: true },
  },
  {
    kinds: ['backup', 'setNotes', 'crash'],
    weight: 2,
    stall: { area: '/host/', calls: firstCalls(8) },
    openings: [
      ['backup', 'setNotes', 'crash'],
      ['backup', 'backup', 'crash', 'backup'],
    ],
    alwaysOpens: true,
    ready: ['host/g1'],
    chunkCount: 5,
    world: { endsWithCollection: true },
  },
  {
    kinds: ['backup', 'collect'],
    openings: [['collect', 'backup', 'backup']],
    graceMs: 0,
    world: { timeStepMs: 1, stepMs: 10 },
  },
  {
    kinds: ['setNotes', 'protect', 'reload', 'retire'],
    openings: [
      ['setNotes', 'reload', 'setNotes', 'reload', 'retire', 'retire'],
      ['reload', 'setNotes', 'protect', 'reload', 'retire', 'retire'],
      ['retire', 'reload', 'setNotes', 'setNotes', 'setNotes', 'protect', 'setNotes'],
    ],
    alwaysOpens: true,
    parallelMax: 4,
    ready: ['host/g1', 'host/g1'],
    world: { countsUses: true },
  },
]
