/** The bounds of upgraded connections, chosen so that 16 backups at once stay below 500 MB resident. */
import type { Http2Limits } from '../../transport/upgrade.ts'
import { BodyBuffers } from './body-buffers.ts'
import { TransferBudget } from './transfer-budget.ts'

const MIB = 1024 * 1024

/**
 * Unread bytes of one connection: 32 streams x 256 KiB = 8 MiB, 128 MiB for 16 of them. A body is
 * read past its window only when its session's budget has room, so windows may be small; with 8
 * bodies being read at once 2 MiB are on the way, 100 MB/s at a round trip of 20 ms.
 */
export const HTTP2_LIMITS: Http2Limits = Object.freeze({
  streamWindow: 256 * 1024,
  streamsMax: 32,
  // Only what is queued counts, and the budgets bound that; Node's default of 10 resets busy peers.
  sessionMemoryMb: 256,
})

/** Bodies that are read or stored: 12 MiB for each of 16 sessions, 48 MiB for one alone. */
export const uploadBudget = new TransferBudget({
  totalSize: 192 * MIB,
  shareMin: 8 * MIB,
  shareMax: 48 * MIB,
})

/** Chunks that are read from disk or on their way to a reader. */
export const downloadBudget = new TransferBudget({
  totalSize: 192 * MIB,
  shareMin: 8 * MIB,
  shareMax: 64 * MIB,
})

export const bodyBuffers = new BodyBuffers()

/** Chunks that are checked and written at the same time, each with its plain form beside it. */
export const PROCESSING_MAX = 6
