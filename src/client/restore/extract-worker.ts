/** The thread in which an archive is extracted; see extract.ts. */
import { constants, mkdirSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { PxarDecoder } from '../../archive/pxar/decoder.ts'
import type { MatchEntry } from '../../archive/path-pattern.ts'
import { CairnError, errorChain } from '../../base/errors.ts'
import { closeFd, openAt } from '../../base/fs/native-at.ts'
import { type PackedError, packError } from '../worker-link.ts'
import { errors } from './errors.ts'
import { Selection } from './selection.ts'
import { systemText } from '../system-text.ts'
import {
  type ExtractorOptions,
  type ExtractStatistics,
  StoppedError,
  TreeExtractor,
} from './tree-extractor.ts'

export interface ExtractWorkerData {
  readonly target: string
  readonly patterns: readonly MatchEntry[]
  readonly options: ExtractorOptions
  /** Failed entries are told and left; otherwise the first one ends it. */
  readonly collectErrors: boolean
  /** Slots of SLOT_SIZE bytes each, filled by the main thread. */
  readonly slots: SharedArrayBuffer
}

/** To the worker. */
export type ExtractRequest =
  | { readonly kind: 'data'; readonly slot: number; readonly size: number }
  | { readonly kind: 'end' }
  | { readonly kind: 'stop' }

/** From the worker. */
export type ExtractMessage =
  | { readonly kind: 'free'; readonly slot: number }
  | { readonly kind: 'entry-error'; readonly error: PackedError }
  | { readonly kind: 'error'; readonly error: PackedError }
  | { readonly kind: 'done'; readonly statistics: ExtractStatistics }

/** As in extract.ts, which cannot be imported from here without starting over. */
const SLOT_SIZE = 1024 * 1024
const AT_FDCWD = -100
const O_CLOEXEC = 0o2000000

function main(): void {
  const data = workerData as ExtractWorkerData
  let run: Extraction | null = null
  parentPort?.on('message', (request: ExtractRequest) => {
    try {
      run ??= startExtraction(data)
      if (request.kind === 'data') {
        run.push(new Uint8Array(data.slots, request.slot * SLOT_SIZE, request.size))
        post({ kind: 'free', slot: request.slot })
      } else {
        if (request.kind === 'end') post({ kind: 'done', statistics: run.finish() })
        close()
      }
    } catch (error) {
      post({ kind: 'error', error: packError(error) })
      close()
    }
  })

  function close(): void {
    run?.close()
    parentPort?.close()
  }
}

interface Extraction {
  push(bytes: Uint8Array): void
  finish(): ExtractStatistics
  close(): void
}

function startExtraction(data: ExtractWorkerData): Extraction {
  const root = openTarget(data.target)
  const extractor = new TreeExtractor(root, data.options, {
    selection: new Selection(data.patterns),
    onFailure(text, cause) {
      const full = `encountered unexpected error during extraction: ${text}`
      const error = errors.EXTRACT_ENTRY_FAILED(
        { text: data.collectErrors ? text : full },
        { cause },
      )
      if (!data.collectErrors) throw error
      post({ kind: 'entry-error', error: packError(error) })
    },
  })
  const decoder = new PxarDecoder(extractor)
  return {
    push: (bytes) => translating(extractor, () => decoder.push(bytes)),
    finish() {
      translating(extractor, () => decoder.end())
      return extractor.statistics
    },
    close() {
      extractor.close()
      closeFd(root)
    },
  }
}

/** Errors of the archive in stock's words; those of entries already are. */
function translating(extractor: TreeExtractor, run: () => void): void {
  try {
    run()
  } catch (error) {
    if (error instanceof StoppedError) throw error.cause
    if (!(error instanceof CairnError)) throw error
    const stage = extractor.isStarted
      ? 'encountered unexpected error during extraction'
      : 'failed to initialize extractor'
    const text = `${stage}: error reading pxar archive: ${errorChain(error)}`
    throw errors.EXTRACT_ARCHIVE_INVALID({ text }, { cause: error })
  }
}

/** Opens the target, made with its parents if it is not there. */
function openTarget(target: string): number {
  try {
    mkdirSync(target, { recursive: true, mode: 0o700 })
    const path = Buffer.from(target).toString('latin1')
    return openAt(AT_FDCWD, path, constants.O_DIRECTORY | constants.O_RDONLY | O_CLOEXEC)
  } catch (cause) {
    const text = `unable to open target directory ${JSON.stringify(target)}: ${systemText(cause)}`
    throw errors.EXTRACT_TARGET_FAILED({ text }, { cause })
  }
}

function post(message: ExtractMessage): void {
  parentPort?.postMessage(message, [])
}

main()
