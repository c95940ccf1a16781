/** The thread in which a tree is walked; see tree-walker.ts. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { CatalogTree } from '../../archive/catalog/tree-writer.ts'
import { PIECE_SIZE } from '../../archive/pxar/piece-writer.ts'
import {
  acquireMessage,
  checkLink,
  LinkAborted,
  type LinkState,
  type PackedError,
  packError,
} from '../worker-link.ts'
import { type WalkOptions, walkTree } from './walk-tree.ts'

export interface WalkWorkerData {
  readonly options: WalkOptions
  readonly state: LinkState
}

/** To the worker: the memory of a piece, to be filled again. */
export interface ReturnedPiece {
  readonly memory: ArrayBuffer
}

export type WalkMessage =
  | { readonly kind: 'piece'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'catalog'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'warning' | 'log'; readonly line: string }
  | { readonly kind: 'end'; readonly tree: CatalogTree }
  | { readonly kind: 'error'; readonly error: PackedError }

/** Catalog tables are small: they go together in messages of about this size. */
const CATALOG_BATCH_SIZE = 128 * 1024

function main(): void {
  const { options, state } = workerData as WalkWorkerData
  let tables: Uint8Array[] = []
  let tablesSize = 0
  try {
    const tree = walkTree(options, {
      allocatePiece,
      piece: (bytes) => post({ kind: 'piece', bytes: bytes as Uint8Array<ArrayBuffer> }),
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

/** Memory moves to and fro: fresh memory costs page faults, and shared memory is copied at half the speed. */
function allocatePiece(): Buffer {
  const returned = parentPort === null ? undefined : receiveMessageOnPort(parentPort)
  if (returned === undefined) return Buffer.allocUnsafeSlow(PIECE_SIZE)
  return Buffer.from((returned.message as ReturnedPiece).memory)
}

main()
