/**
 * The file of request counters of a bucket, in stock's form (datastore-semantics.md 19.2). All numbers little-endian.
 *
 * | offset | size | what |
 * |---|---|---|
 * | 0 | 8 | magic `e0 6e 58 fc 1a 4d b4 05` |
 * | 32 + 32 i | 8 | counter i: get, delete, put, head, post, upload, download |
 * | 256 + 32 i | 8 | threshold i, in the same order; 0 = none |
 * | 480 | | zeros |
 * | 4088 | 8 | ours: when they were made zero last, Unix seconds; 0 = not known |
 *
 * The page does not say where a slot begins inside its 32 bytes: at its start, here. Stock's file is not shared (nor
 * does the page say where it lies), so nothing else depends on that.
 */
import type { CounterName } from '../../storage/s3/request-counters.ts'

export const COUNTER_FILE_SIZE = 4_096
export const COUNTER_NAMES: readonly CounterName[] = [
  'get',
  'delete',
  'put',
  'head',
  'post',
  'upload',
  'download',
]

/** Requests by method, and bytes of bodies both ways. */
export type Counts = Readonly<Record<CounterName, number>>

export interface CounterTable {
  readonly counts: Counts
  /** 0: none. */
  readonly thresholds: Counts
  /** When the counts began, Unix seconds; 0: not known. */
  readonly resetTime: number
}

const RESET_OFFSET = COUNTER_FILE_SIZE - 8
const MAGIC = Buffer.from('e06e58fc1a4db405', 'hex')
const SLOT_SIZE = 32
const COUNTERS_OFFSET = SLOT_SIZE
const THRESHOLDS_OFFSET = COUNTERS_OFFSET + COUNTER_NAMES.length * SLOT_SIZE
/** A counter that would pass it stays there: numbers are exact up to here. */
const COUNT_MAX = Number.MAX_SAFE_INTEGER

export const ZERO_COUNTS: Counts = Object.freeze(makeCounts(() => 0))

/** One number for each name. */
export function makeCounts(of: (name: CounterName) => number): Counts {
  return Object.fromEntries(COUNTER_NAMES.map((name) => [name, of(name)])) as Counts
}

/** The sum of both, each at most 2^53 - 1. */
export function addCounts(a: Counts, b: Counts): Counts {
  return makeCounts((name) => Math.min(a[name] + b[name], COUNT_MAX))
}

/** Null if `bytes` is no such file: of another size or magic. */
export function decodeCounters(bytes: Uint8Array): CounterTable | null {
  if (bytes.length !== COUNTER_FILE_SIZE || !MAGIC.equals(bytes.subarray(0, MAGIC.length))) {
    return null
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const at = (start: number) =>
    makeCounts((name) => {
      const value = view.getBigUint64(start + COUNTER_NAMES.indexOf(name) * SLOT_SIZE, true)
      return value > BigInt(COUNT_MAX) ? COUNT_MAX : Number(value)
    })
  const resetTime = Number(BigInt.asUintN(53, view.getBigUint64(RESET_OFFSET, true)))
  return { counts: at(COUNTERS_OFFSET), thresholds: at(THRESHOLDS_OFFSET), resetTime }
}

/** The bytes of the file. */
export function encodeCounters({ counts, thresholds, resetTime }: CounterTable): Uint8Array {
  const bytes = new Uint8Array(COUNTER_FILE_SIZE)
  bytes.set(MAGIC)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(RESET_OFFSET, BigInt(resetTime), true)
  for (const [index, name] of COUNTER_NAMES.entries()) {
    view.setBigUint64(COUNTERS_OFFSET + index * SLOT_SIZE, BigInt(counts[name]), true)
    view.setBigUint64(THRESHOLDS_OFFSET + index * SLOT_SIZE, BigInt(thresholds[name]), true)
  }
  return bytes
}
