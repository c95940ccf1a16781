/**
 * The inner loop of the chunker in WebAssembly: where, after a window, does the hash first cut?
 * JavaScript hashes 0.2 GB/s on the machine this was written on, a scalar loop 0.8, four lanes 1.4.
 *
 * A block of four neighbouring segments is hashed in the four lanes of a vector, each lane from the
 * 64 bytes before its segment on: the hash depends on nothing else. The lanes only say whether
 * there is a cut in the block; where it is, a scalar scan of that block finds (once per chunk).
 */
import { assert } from '../base/assert.ts'
import { BUZHASH_TABLE } from './buzhash-table.ts'
import { WINDOW_SIZE } from './rolling-hash.ts'
import {
  assembleScanner,
  BLOCK_SIZE,
  DATA_OFFSET,
  LOOK_BACK_OFFSET,
  SCAN_SIZE_MAX,
  type ScannerExports,
} from './scanner-code.ts'

/** The little of the WebAssembly interface that is used here; its types come with browsers' only. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

interface Scanner extends ScannerExports {
  readonly bytes: Uint8Array
}

/** Made at the first scan: not every program that can cut does. */
let scanner: Scanner | null = null

/**
 * Count of bytes of `bytes` (at most SCAN_SIZE_MAX) up to and including the first one after which
 * the hash cuts, or 0. `window` holds the 64 bytes before; `mask` is of the form 2^n - 1 below 2^31.
 */
export function scanForCut(window: Uint8Array, bytes: Uint8Array, mask: number): number {
  assert(window.length === WINDOW_SIZE, 'a window has 64 bytes')
  assert(bytes.length <= SCAN_SIZE_MAX, 'a scan fits into the memory of the scanner')
  scanner ??= instantiate()
  scanner.bytes.set(window, LOOK_BACK_OFFSET)
  scanner.bytes.set(bytes, DATA_OFFSET)
  const end = DATA_OFFSET + bytes.length
  let start = DATA_OFFSET
  while (end - start >= BLOCK_SIZE && scanner.hasCut(start, ~mask) === 0) start += BLOCK_SIZE
  const cut = scanner.findCut(start, end, ~mask)
  return cut === 0 ? 0 : cut - DATA_OFFSET
}

function instantiate(): Scanner {
  const module = new WebAssembly.Module(assembleScanner())
  const exports = new WebAssembly.Instance(module).exports as ScannerExports
  const table = new DataView(exports.memory.buffer)
  for (const [byte, value] of BUZHASH_TABLE.entries()) table.setUint32(byte * 4, value, true)
  return { ...exports, bytes: new Uint8Array(exports.memory.buffer) }
}
