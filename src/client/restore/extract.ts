/** Extracts a unified pxar archive below a directory; files are written in a thread of their own. */
import { Worker } from 'node:worker_threads'
import { parseRestorePattern } from '../../archive/path-pattern.ts'
import { unpackError } from '../worker-link.ts'
import { errors } from './errors.ts'
import type { ExtractMessage, ExtractRequest, ExtractWorkerData } from './extract-worker.ts'
import type { ExtractionPlan } from './extraction.ts'
import type { ExtractStatistics } from './tree-extractor.ts'

/**
 * Bytes on their way to the thread: one slot is filled while others are written. Their memory moves to and fro: shared
 * memory is copied at half the speed.
 */
const SLOT_COUNT = 4
const SLOT_SIZE = 1024 * 1024

export interface ExtractOptions {
  /** Values of `--pattern`; none: everything. Errors: PATTERN_INVALID. */
  readonly patterns?: readonly string[]
  readonly allowExistingDirs?: boolean
  readonly overwriteFiles?: boolean
  readonly overwriteSymlinks?: boolean
  readonly overwriteHardlinks?: boolean
  readonly ignoreOwnership?: boolean
  readonly ignoreXattrs?: boolean
  readonly ignoreAcls?: boolean
  readonly ignorePermissions?: boolean
  /** Block and character devices that cannot be made are left out. */
  readonly ignoreExtractDeviceErrors?: boolean
  /** Hears of entries that failed, and the rest goes on; without it the first one ends it. */
  readonly onError?: (error: Error) => void
  readonly onWarning?: (line: string) => void
  readonly signal?: AbortSignal | undefined
}

/**
 * Extracts `source` below `target`, which is made if need be, and gives it the root's metadata. The
 * pieces of `source` stay the caller's: they are copied before the next one is asked for. An error or
 * an abort leaves what was written so far. Errors: those of errors.ts beside this file.
 */
export async function extractTree(
  source: AsyncIterable<Uint8Array>,
  target: string,
  options: ExtractOptions = {},
): Promise<ExtractStatistics> {
  const { signal } = options
  signal?.throwIfAborted()
  await using thread = new ExtractThread(target, options)
  const onAbort = () => thread.wake()
  signal?.addEventListener('abort', onAbort)
  try {
    for await (const piece of source) await thread.write(piece)
    return await thread.finish()
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

/** What `options` mean, with patterns checked. Errors: PATTERN_INVALID. */
export function planExtraction(target: string, options: ExtractOptions): ExtractionPlan {
  return {
    target,
    patterns: (options.patterns ?? []).map(parseRestorePattern),
    options: {
      allowExistingDirs: options.allowExistingDirs ?? false,
      overwriteFiles: options.overwriteFiles ?? false,
      overwriteSymlinks: options.overwriteSymlinks ?? false,
      overwriteHardlinks: options.overwriteHardlinks ?? false,
      ignoreOwnership: options.ignoreOwnership ?? false,
      ignoreXattrs: options.ignoreXattrs ?? false,
      ignoreAcls: options.ignoreAcls ?? false,
      ignorePermissions: options.ignorePermissions ?? false,
      ignoreExtractDeviceErrors: options.ignoreExtractDeviceErrors ?? false,
    },
  }
}

class ExtractThread implements AsyncDisposable {
  readonly #worker: Worker
  readonly #options: ExtractOptions
  readonly #free = Array.from({ length: SLOT_COUNT }, () => new ArrayBuffer(SLOT_SIZE))
  readonly #exited: Promise<void>
  #slot: ArrayBuffer | null = null
  #slotSize = 0
  #failure: { readonly error: unknown } | null = null
  #statistics: ExtractStatistics | null = null
  #wake = () => {}

  constructor(target: string, options: ExtractOptions) {
    const workerData: ExtractWorkerData = {
      plan: planExtraction(target, options),
      collectErrors: options.onError !== undefined,
    }
    this.#options = options
    this.#worker = new Worker(new URL('./extract-worker.ts', import.meta.url), { workerData })
    this.#worker.on('message', (message: ExtractMessage) => this.#receive(message))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', (exitCode) => {
        this.#fail(errors.EXTRACTOR_LOST({ exitCode }))
        resolve()
      })
    })
  }

  /** Lets whoever waits look again. */
  wake(): void {
    this.#wake()
  }

  /** Copies `piece`; waits while all slots are in use. */
  async write(piece: Uint8Array): Promise<void> {
    for (let start = 0; start < piece.length; ) {
      const slot = this.#slot ?? (await this.#takeSlot())
      const part = piece.subarray(start, start + SLOT_SIZE - this.#slotSize)
      new Uint8Array(slot).set(part, this.#slotSize)
      this.#slotSize += part.length
      start += part.length
      if (this.#slotSize === SLOT_SIZE) this.#sendSlot()
    }
  }

  /** Everything was written: waits for the thread's end. */
  async finish(): Promise<ExtractStatistics> {
    this.#sendSlot()
    this.#post({ kind: 'end' })
    return await this.#until(() => this.#statistics)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#post({ kind: 'stop' })
    await this.#exited
  }

  async #takeSlot(): Promise<ArrayBuffer> {
    const slot = await this.#until(() => this.#free.pop() ?? null)
    this.#slot = slot
    this.#slotSize = 0
    return slot
  }

  #sendSlot(): void {
    if (this.#slot === null) return
    this.#post({ kind: 'data', bytes: new Uint8Array(this.#slot, 0, this.#slotSize) })
    this.#slot = null
  }

  async #until<T>(look: () => T | null): Promise<T> {
    for (;;) {
      this.#options.signal?.throwIfAborted()
      const found = look()
      if (found !== null) return found
      if (this.#failure !== null) throw this.#failure.error
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #receive(message: ExtractMessage): void {
    switch (message.kind) {
      case 'free':
        this.#free.push(message.memory)
        break
      case 'warning':
        this.#options.onWarning?.(message.line)
        break
      case 'entry-error':
        this.#options.onError?.(unpackError(message.error))
        break
      case 'error':
        this.#fail(unpackError(message.error))
        break
      case 'done':
        this.#statistics = message.statistics
        break
      default:
        message satisfies never
    }
    this.#wake()
  }

  /** The first failure is the one that counts. */
  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#wake()
  }

  #post(request: ExtractRequest): void {
    this.#worker.postMessage(request, request.kind === 'data' ? [request.bytes.buffer] : [])
  }
}
