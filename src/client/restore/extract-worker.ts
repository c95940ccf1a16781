/** The thread in which an archive is extracted; see extract.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { type PackedError, packError } from '../worker-link.ts'
import { type Extraction, type ExtractionPlan, startExtraction } from './extraction.ts'
import type { ExtractStatistics } from './tree-extractor.ts'

export interface ExtractWorkerData {
  readonly plan: ExtractionPlan
  /** Failed entries are told and left; otherwise the first one ends it. */
  readonly collectErrors: boolean
  /** Slots of `slotSize` bytes each, filled by the main thread. */
  readonly slots: SharedArrayBuffer
  readonly slotSize: number
}

/** To the worker. */
export type ExtractRequest =
  | { readonly kind: 'data'; readonly slot: number; readonly size: number }
  | { readonly kind: 'end' }
  | { readonly kind: 'stop' }

/** From the worker. */
export type ExtractMessage =
  | { readonly kind: 'free'; readonly slot: number }
  | { readonly kind: 'warning'; readonly line: string }
  | { readonly kind: 'entry-error'; readonly error: PackedError }
  | { readonly kind: 'error'; readonly error: PackedError }
  | { readonly kind: 'done'; readonly statistics: ExtractStatistics }

function main({ plan, collectErrors, slots, slotSize }: ExtractWorkerData): void {
  const tell = (error: Error) => post({ kind: 'entry-error', error: packError(error) })
  const onWarning = (line: string) => post({ kind: 'warning', line })
  let run: Extraction | null = null
  parentPort?.on('message', (request: ExtractRequest) => {
    try {
      if (request.kind === 'stop') return close()
      run ??= startExtraction(plan, { onError: collectErrors ? tell : null, onWarning })
      if (request.kind === 'data') {
        run.push(new Uint8Array(slots, request.slot * slotSize, request.size))
        return post({ kind: 'free', slot: request.slot })
      }
      post({ kind: 'done', statistics: run.finish() })
      close()
    } catch (error) {
      post({ kind: 'error', error: packError(error) })
      close()
    }
  })

  function close(): void {
    run?.close()
    run = null
    parentPort?.close()
  }
}

function post(message: ExtractMessage): void {
  parentPort?.postMessage(message, [])
}

main(workerData as ExtractWorkerData)
