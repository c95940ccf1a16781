/** The bounds of upgraded connections, chosen so that 16 backups at once stay below 500 MB resident. */
import type { Http2Limits } from '../../transport/upgrade.ts'
import { TransferBudget } from './transfer-budget.ts'

const MIB = 1024 * 1024

/**
 * As many streams as the stock server allows: Node counts a stream until its objects are gone and
 * resets (ENHANCE_YOUR_CALM) whatever a client opens at the limit meanwhile, so the limit must lie
 * well above what clients use (stock about 70, QEMU 100).
 *
 * A window is what a client may send of a body before its session's budget has room for it: with
 * 70 requests under way 17 MiB. Larger windows would fill memory, smaller ones slow down far clients:
 * 6 bodies being read at once are 1.5 MiB under way, 75 MB/s at a round trip of 20 ms.
 */
export const HTTP2_LIMITS: Http2Limits = Object.freeze({
  streamWindow: 256 * 1024,
  streamsMax: 200,
  // Only what is queued counts, and the budgets bound that; Node's default of 10 resets busy peers.
  sessionMemoryMb: 256,
})

/** Bodies that are read or stored: 8 MiB for each of 16 sessions, 24 MiB for one alone. */
export const uploadBudget = new TransferBudget({
  totalSize: 128 * MIB,
  shareMin: 8 * MIB,
  shareMax: 24 * MIB,
})

/** Chunks that are read from disk or on their way to a reader. */
export const downloadBudget = new TransferBudget({
  totalSize: 128 * MIB,
  shareMin: 8 * MIB,
  shareMax: 32 * MIB,
})

/** Chunks that are checked and written at the same time, each with its plain form beside it. */
export const PROCESSING_MAX = 6
