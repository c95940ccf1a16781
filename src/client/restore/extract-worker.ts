/** The thread in which an archive is extracted; see extract.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { type PackedError, packError } from '../worker-link.ts'
import { type Extraction, type ExtractionPlan, startExtraction } from './extraction.ts'
import type { ExtractStatistics } from './tree-extractor.ts'

export interface ExtractWorkerData {
  readonly plan: ExtractionPlan
  /** Failed entries are told and left; otherwise the first one ends it. */
  readonly collectErrors: boolean
}

/** To the worker. */
export type ExtractRequest =
  | { readonly kind: 'data'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'end' }
  | { readonly kind: 'stop' }

/** From the worker. */
export type ExtractMessage =
  /** The memory of data, to be filled again. */
  | { readonly kind: 'free'; readonly memory: ArrayBuffer }
  | { readonly kind: 'warning'; readonly line: string }
  | { readonly kind: 'entry-error'; readonly error: PackedError }
  | { readonly kind: 'error'; readonly error: PackedError }
  | { readonly kind: 'done'; readonly statistics: ExtractStatistics }

function main({ plan, collectErrors }: ExtractWorkerData): void {
  const tell = (error: Error) => post({ kind: 'entry-error', error: packError(error) })
  const onWarning = (line: string) => post({ kind: 'warning', line })
  let run: Extraction | null = null
  parentPort?.on('message', (request: ExtractRequest) => {
    try {
      if (request.kind === 'stop') return close()
      run ??= startExtraction(plan, { onError: collectErrors ? tell : null, onWarning })
      if (request.kind === 'data') {
        run.push(request.bytes)
        return post({ kind: 'free', memory: request.bytes.buffer })
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
  parentPort?.postMessage(message, message.kind === 'free' ? [message.memory] : [])
}

main(workerData as ExtractWorkerData)
