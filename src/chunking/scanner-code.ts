/**
 * The machine code of the scanner: two functions over one memory, written with the assembler.
 *
 * The cut test `(h AND mask) >= mask - 2` (chunker.md section 4) is done as
 * `(h OR NOT mask) > -4` in signed numbers: below its top bit `mask` has ones only, so OR makes the
 * rest ones, the number negative, and the three largest values -3, -2 and -1.
 */
import { WINDOW_SIZE } from './rolling-hash.ts'
import { assembleModule, BLOCK_EMPTY, type Code, OP, signed, unsigned } from './wasm-assembler.ts'

/** Memory: table of 256 x u32, the vectors of the last 64 steps, look-back, bytes to scan. */
const VECTOR_SIZE = 16
const RING_OFFSET = 1024
const RING_SIZE = WINDOW_SIZE * VECTOR_SIZE
export const LOOK_BACK_OFFSET = RING_OFFSET + RING_SIZE
export const DATA_OFFSET = LOOK_BACK_OFFSET + WINDOW_SIZE
/** Most bytes of one scan: with the table they stay in the second cache level. */
export const SCAN_SIZE_MAX = 128 * 1024
const PAGE_SIZE = 65_536
const PAGE_COUNT = Math.ceil((DATA_OFFSET + SCAN_SIZE_MAX) / PAGE_SIZE)

const LANE_COUNT = 4
/** Bytes of a lane's segment: starting a lane costs 64 steps (3 %), a cut a scan of half the block. */
const SEGMENT_SIZE = 2048
export const BLOCK_SIZE = LANE_COUNT * SEGMENT_SIZE
/** Steps written out per round of a loop; it divides 64 and the segment. */
const LANE_UNROLL = 16
const SCALAR_UNROLL = 4

/** Replaces a byte value on the stack by the address of its table entry. */
const TIMES_FOUR: Code = [OP.i32Const, signed(2), OP.i32Shl]

export interface ScannerExports {
  readonly memory: { readonly buffer: ArrayBuffer }
  /** 1 if there is a cut in the block at `start`, else 0. */
  hasCut(start: number, notMask: number): number
  /** Address after the first byte from `start` on that cuts, or 0. */
  findCut(start: number, end: number, notMask: number): number
}

/** Bytes of the module with ScannerExports; the table is not in its memory yet. */
export function assembleScanner(): Uint8Array<ArrayBuffer> {
  const hasCut = {
    name: 'hasCut',
    parameterCount: 2,
    i32Count: 2,
    v128Count: 4,
    code: laneCode(),
  }
  const findCut = {
    name: 'findCut',
    parameterCount: 3,
    i32Count: 2,
    v128Count: 0,
    code: scalarCode(),
  }
  return assembleModule([hasCut, findCut], PAGE_COUNT)
}

/** The block at local 0 in four lanes; NOT mask in local 1. Locals: ring, end; four vectors. */
function laneCode(): Code {
  const [POINTER, NOT_MASK, RING, END, HASH, ENTERING, CUTS, MASKS] = [0, 1, 2, 3, 4, 5, 6, 7]
  const gather = (step: number): Code => {
    const lanes: Code[] = []
    for (let lane = 0; lane < LANE_COUNT; lane++) {
      const offset = unsigned(lane * SEGMENT_SIZE + step)
      const index = [OP.localGet, POINTER, OP.i32Load8u, 0, offset, TIMES_FOUR]
      if (lane === 0) lanes.push(index, OP.v128Load32Zero, [2, 0])
      else lanes.push(index, OP.localGet, [ENTERING], OP.v128Load32Lane, [2, 0, lane])
      lanes.push(OP.localSet, [ENTERING])
    }
    return lanes
  }
  const ringSlot = (step: number): Code => [4, unsigned(step * VECTOR_SIZE)]
  const rotate: Code = [
    [OP.localGet, HASH, OP.i32Const, signed(1), OP.i32x4Shl],
    [OP.localGet, HASH, OP.i32Const, signed(31), OP.i32x4ShrU, OP.v128Or],
  ]
  const enter = (step: number): Code => [gather(step), [rotate, OP.localGet, ENTERING, OP.v128Xor]]
  const remember = (step: number): Code => [
    [OP.localGet, RING, OP.localGet, ENTERING, OP.v128Store, ringSlot(step)],
  ]
  const absorb = (step: number): Code => [[enter(step), OP.localSet, HASH], remember(step)]
  const roll = (step: number): Code => [
    [enter(step), OP.localGet, RING, OP.v128Load, ringSlot(step), OP.v128Xor],
    [OP.localTee, HASH, OP.localGet, MASKS, OP.v128Or, OP.i32Const, signed(-4)],
    [OP.i32x4Splat, OP.i32x4GtS, OP.localGet, CUTS, OP.v128Or, OP.localSet, CUTS],
    remember(step),
  ]
  const advance: Code = [
    [OP.localGet, POINTER, OP.i32Const, signed(LANE_UNROLL), OP.i32Add, OP.localSet, POINTER],
    [OP.localGet, RING, OP.i32Const, signed(LANE_UNROLL * VECTOR_SIZE), OP.i32Add],
    [OP.localSet, RING],
  ]
  const rewindRing: Code = [OP.i32Const, signed(RING_OFFSET), OP.localSet, RING]
  const round = (step: (index: number) => Code): Code => [
    [unroll(LANE_UNROLL, step), advance],
    [OP.localGet, RING, OP.i32Const, signed(RING_OFFSET + RING_SIZE), OP.i32LtU],
    [OP.brIf, 0],
  ]
  return [
    [OP.localGet, NOT_MASK, OP.i32x4Splat, OP.localSet, MASKS],
    [OP.localGet, POINTER, OP.i32Const, signed(SEGMENT_SIZE), OP.i32Add, OP.localSet, END],
    [OP.localGet, POINTER, OP.i32Const, signed(WINDOW_SIZE), OP.i32Sub, OP.localSet, POINTER],
    rewindRing,
    [OP.loop, BLOCK_EMPTY, round(absorb), OP.end],
    [OP.loop, BLOCK_EMPTY, rewindRing],
    [OP.loop, BLOCK_EMPTY, round(roll), OP.end],
    [OP.localGet, CUTS, OP.v128AnyTrue],
    [OP.if, BLOCK_EMPTY, OP.i32Const, signed(1), OP.return, OP.end],
    [OP.localGet, POINTER, OP.localGet, END, OP.i32LtU, OP.brIf, 0, OP.end],
    [OP.i32Const, signed(0)],
  ]
}

/** From local 0 to local 1, byte by byte; NOT mask in local 2. Locals: hash, last start of a round. */
function scalarCode(): Code {
  const [POINTER, END, NOT_MASK, HASH, ROUND_MAX] = [0, 1, 2, 3, 4]
  // The pointer stands at the oldest byte of the window; the entering byte is 64 further on.
  const contribution = (offset: number): Code => [
    [OP.localGet, POINTER, OP.i32Load8u, 0, unsigned(offset), TIMES_FOUR, OP.i32Load, 2, 0],
  ]
  const rotated: Code = [OP.localGet, HASH, OP.i32Const, signed(1), OP.i32Rotl]
  const absorb = (step: number): Code => [
    [rotated, contribution(step), OP.i32Xor, OP.localSet, HASH],
  ]
  const roll = (step: number): Code => [
    rotated,
    [contribution(step + WINDOW_SIZE), contribution(step), OP.i32Xor, OP.i32Xor],
    [OP.localTee, HASH, OP.localGet, NOT_MASK, OP.i32Or, OP.i32Const, signed(-4), OP.i32GtS],
    [OP.if, BLOCK_EMPTY, OP.localGet, POINTER, OP.i32Const, signed(WINDOW_SIZE + step + 1)],
    [OP.i32Add, OP.return, OP.end],
  ]
  const rounds = (size: number): Code => [
    [OP.localGet, END, OP.i32Const, signed(WINDOW_SIZE + size), OP.i32Sub],
    [OP.localSet, ROUND_MAX, OP.block, BLOCK_EMPTY, OP.loop, BLOCK_EMPTY],
    [OP.localGet, POINTER, OP.localGet, ROUND_MAX, OP.i32GtU, OP.brIf, 1],
    unroll(size, roll),
    [OP.localGet, POINTER, OP.i32Const, signed(size), OP.i32Add, OP.localSet, POINTER],
    [OP.br, 0, OP.end, OP.end],
  ]
  return [
    [OP.localGet, POINTER, OP.i32Const, signed(WINDOW_SIZE), OP.i32Sub, OP.localSet, POINTER],
    unroll(WINDOW_SIZE, absorb),
    rounds(SCALAR_UNROLL),
    rounds(1),
    [OP.i32Const, signed(0)],
  ]
}

function unroll(count: number, step: (index: number) => Code): Code {
  return Array.from({ length: count }, (_unused, index) => step(index))
}
