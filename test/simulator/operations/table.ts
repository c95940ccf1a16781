/** All operations by name, and how often each is drawn. */
import { backUp } from './backup.ts'
import { collectGarbage, move, moveSpace } from './collect.ts'
import {
  crash,
  cutPower,
  failWriteBack,
  jumpClock,
  kernel,
  mountSpace,
  passTime,
  reconfigure,
  reload,
  rot,
  unmountSpace,
} from './events.ts'
import { restore, verify } from './look.ts'
import { resync } from './resync.ts'
import { retire } from './retire.ts'
import { stockBackup, stockCollect, stockMove } from './stock.ts'
import type { Running } from './operation.ts'
import { forget, protect, prune, removeGroup, removeSpace, setNotes } from './remove.ts'

export const OPERATIONS = {
  backup: backUp,
  forget,
  prune,
  removeGroup,
  protect,
  setNotes,
  removeSpace,
  verify,
  collect: collectGarbage,
  move,
  moveSpace,
  restore,
  reload,
  crash,
  cutPower,
  kernel,
  failWriteBack,
  jumpClock,
  passTime,
  reconfigure,
  rot,
  unmountSpace,
  mountSpace,
  resync,
  retire,
  stockBackup,
  stockCollect,
  stockMove,
} satisfies Record<string, (running: Running) => Promise<void>>

export type Kind = keyof typeof OPERATIONS

export const KINDS: Readonly<Record<Kind, number>> = {
  backup: 30,
  forget: 8,
  prune: 6,
  removeGroup: 2,
  protect: 2,
  setNotes: 4,
  removeSpace: 2,
  verify: 6,
  collect: 24,
  move: 6,
  moveSpace: 2,
  restore: 4,
  reload: 4,
  crash: 4,
  cutPower: 5,
  kernel: 5,
  failWriteBack: 3,
  jumpClock: 3,
  passTime: 4,
  reconfigure: 2,
  rot: 3,
  // In their theme only: a namespace that somebody writes to is not unmounted.
  unmountSpace: 0,
  mountSpace: 0,
  // In theirs: beside power cuts or damage, another program's rules protect nothing.
  resync: 0,
  retire: 0,
  stockBackup: 0,
  stockCollect: 0,
  stockMove: 0,
}
