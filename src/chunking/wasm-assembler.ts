/**
 * As much of the WebAssembly binary format as one function needs, so that the machine code of the
 * scanner is made from its source when the program starts: no toolchain, no binary in the tree.
 */

/** Opcodes by the names of the specification. */
export const OP = {
  block: [0x02],
  loop: [0x03],
  if: [0x04],
  end: [0x0b],
  br: [0x0c],
  brIf: [0x0d],
  return: [0x0f],
  localGet: [0x20],
  localSet: [0x21],
  localTee: [0x22],
  i32Load: [0x28],
  i32Load8u: [0x2d],
  i32Const: [0x41],
  i32LtU: [0x49],
  i32GtS: [0x4a],
  i32GtU: [0x4b],
  i32Add: [0x6a],
  i32Sub: [0x6b],
  i32And: [0x71],
  i32Or: [0x72],
  i32Xor: [0x73],
  i32Shl: [0x74],
  i32Rotl: [0x77],
  v128Load: [0xfd, 0x00],
  v128Store: [0xfd, 0x0b],
  i32x4Splat: [0xfd, 0x11],
  i32x4GtS: [0xfd, 0x3b],
  v128Or: [0xfd, 0x50],
  v128Xor: [0xfd, 0x51],
  v128AnyTrue: [0xfd, 0x53],
  v128Load32Lane: [0xfd, 0x56],
  v128Load32Zero: [0xfd, 0x5c],
  i32x4Shl: [0xfd, 0xab, 0x01],
  i32x4ShrU: [0xfd, 0xad, 0x01],
} as const

/** Block that leaves nothing on the stack. */
export const BLOCK_EMPTY = 0x40
const TYPE_I32 = 0x7f
const TYPE_V128 = 0x7b
const TYPE_FUNCTION = 0x60
const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]
const EXPORT_FUNCTION = 0
const EXPORT_MEMORY = 2

/** Opcodes and operands in order; how they are nested does not matter. */
export type Code = readonly (number | Code)[]

export interface FunctionSource {
  /** Exported name. */
  readonly name: string
  /** Parameters, all i32; one i32 is returned. */
  readonly parameterCount: number
  /** Locals after the parameters: first those of type i32, then those of type v128. */
  readonly i32Count: number
  readonly v128Count: number
  /** Without the closing `end`. */
  readonly code: Code
}

/** Bytes of a module that exports `functions` and `memory` with `pageCount` pages of 64 KiB. */
export function assembleModule(
  functions: readonly FunctionSource[],
  pageCount: number,
): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameterCount }) => [
    TYPE_FUNCTION,
    ...vector(Array.from({ length: parameterCount }, () => [TYPE_I32])),
    ...vector([[TYPE_I32]]),
  ])
  const names = functions.map(({ name }, index) => [
    ...text(name),
    EXPORT_FUNCTION,
    ...unsigned(index),
  ])
  return new Uint8Array([
    ...PREAMBLE,
    ...section(1, vector(types)),
    ...section(3, vector(functions.map((_source, index) => unsigned(index)))),
    ...section(5, vector([[0x00, ...unsigned(pageCount)]])),
    ...section(7, vector([[...text('memory'), EXPORT_MEMORY, 0], ...names])),
    ...section(10, vector(functions.map(assembleBody))),
  ])
}

/** `value` as unsigned LEB128: indexes, counts, offsets. */
export function unsigned(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest & 0x7f
    rest >>>= 7
    bytes.push(rest === 0 ? low : low | 0x80)
  } while (rest !== 0)
  return bytes
}

/** `value` (32 bits) as signed LEB128: the operand of i32.const. */
export function signed(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value | 0; ; ) {
    const low = rest & 0x7f
    rest >>= 7
    const isLast = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)
    bytes.push(isLast ? low : low | 0x80)
    if (isLast) return bytes
  }
}

function assembleBody({ i32Count, v128Count, code }: FunctionSource): number[] {
  const locals = vector([
    [...unsigned(i32Count), TYPE_I32],
    [...unsigned(v128Count), TYPE_V128],
  ])
  const body = [...locals, ...flatten(code), ...OP.end]
  return [...unsigned(body.length), ...body]
}

function flatten(code: Code): number[] {
  return code.flatMap((part) => (typeof part === 'number' ? [part] : flatten(part)))
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()]
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content]
}

function text(name: string): number[] {
  return [...unsigned(name.length), ...Buffer.from(name, 'ascii')]
}
