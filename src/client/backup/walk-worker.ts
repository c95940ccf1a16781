/** The thread in which a tree is walked; see tree-walker.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import type { CatalogTree } from '../../archive/catalog/tree-writer.ts'
import { PIECE_SIZE } from '../../archive/pxar/piece-writer.ts'
import {
  acquireMessage,
  checkLink,
  LinkAborted,
  SLOT_COUNT,
  type LinkState,
  type PackedError,
  packError,
} from '../worker-link.ts'
import { type WalkOptions, walkTree } from './walk-tree.ts'

export interface WalkWorkerData {
  readonly options: WalkOptions
  readonly state: LinkState
  /** SLOT_COUNT times PIECE_SIZE bytes, used in turn. */
  readonly slots: SharedArrayBuffer
}

export type WalkMessage =
  | { readonly kind: 'piece'; readonly slot: number; readonly size: number }
  | { readonly kind: 'catalog'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'warning' | 'log'; readonly line: string }
  | { readonly kind: 'end'; readonly tree: CatalogTree }
  | { readonly kind: 'error'; readonly error: PackedError }

/** Catalog tables are small: they go together in messages of about this size. */
const CATALOG_BATCH_SIZE = 128 * 1024

function main(): void {
  const { options, state, slots } = workerData as WalkWorkerData
  let slot = -1
  let tables: Uint8Array[] = []
  let tablesSize = 0
  try {
    const tree = walkTree(options, {
      allocatePiece() {
        slot = (slot + 1) % SLOT_COUNT
        return Buffer.from(slots, slot * PIECE_SIZE, PIECE_SIZE)
      },
      piece: (bytes) => post({ kind: 'piece', slot, size: bytes.length }),
      catalog(bytes) {
        tables.push(bytes)
        tablesSize += bytes.length
        if (tablesSize >= CATALOG_BATCH_SIZE) postTables()
      },
      warn: (line) => post({ kind: 'warning', line }),
      log: (line) => post({ kind: 'log', line }),
      checkAbort: () => checkLink(state),
    })
    postTables()
    post({ kind: 'end', tree })
  } catch (error) {
    if (!(error instanceof LinkAborted)) post({ kind: 'error', error: packError(error) })
  }

  function postTables(): void {
    if (tables.length === 0) return
    post({ kind: 'catalog', bytes: new Uint8Array(Buffer.concat(tables)) })
    tables = []
    tablesSize = 0
  }

  function post(message: WalkMessage): void {
    acquireMessage(state)
    const transfer = 'bytes' in message ? [message.bytes.buffer] : []
    parentPort?.postMessage(message, transfer)
  }
}

main()
