/** A folder as the byte stream of a pxar archive; walked in a thread of its own. */
import { Worker } from 'node:worker_threads'
import {
  type LinkState,
  newLinkState,
  releaseMessage,
  requestAbort,
  unpackError,
} from '../worker-link.ts'
import type { CatalogSink } from './catalog-stream.ts'
import { errors } from './errors.ts'
import { type ExcludePattern, lostAndFoundPattern, parseExcludeOption } from './exclude-patterns.ts'
import type { WalkOptions } from './walk-tree.ts'
import type { PieceBytes } from './shared-piece.ts'
import type { ReturnedPiece, WalkMessage, WalkWorkerData } from './walk-worker.ts'

/** Entries on one path that stock's client allows by default. */
export const ENTRIES_MAX_DEFAULT = 1_048_576
/** A walk nests as deep as the tree; this is enough for the deepest one an archive may have. */
const WORKER_STACK_MIB = 32

export interface EncodeTreeOptions {
  /** Values of `--exclude`, as typed. */
  readonly exclude?: readonly string[]
  readonly skipLostAndFound?: boolean
  /** Paths whose file systems are entered besides the root's own; `all` enters every one. */
  readonly includeDev?: readonly string[] | 'all'
  readonly skipE2bigXattr?: boolean
  readonly entriesMax?: number
  /** Gets the tree; its archive must have been started, and is ended by the caller. */
  readonly catalog?: CatalogSink
  /** A warning: something was left out or has changed. */
  readonly onWarning: (line: string) => void
  /** Other lines of product output; without it they go to onWarning. */
  readonly onLog?: (line: string) => void
  readonly signal?: AbortSignal | undefined
  /** The walk of this tree with these options, if it was started before: it becomes ours. */
  readonly walk?: TreeWalk | undefined
}

/** As `encodePieces`; pieces are borrowed until the next one is asked for. */
export function encodeTree(
  root: string,
  options: EncodeTreeOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  return borrowed(encodePieces(root, options))
}

/** The bytes of `pieces`, each borrowed until the next one is asked for. */
export async function* borrowed(
  pieces: AsyncIterable<PieceBytes>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (using piece of pieces) yield piece.bytes
}

/**
 * The unified pxar archive of the tree at `root` in pieces of about 2 MiB, which belong to the receiver until it disposes of
 * them: their memory is filled again. The same tree gives the same bytes as stock's client. Leaving the loop early or aborting
 * `signal` ends the walk and leaves nothing behind. Errors: those of errors.ts beside this file.
 */
export async function* encodePieces(
  root: string,
  options: EncodeTreeOptions,
): AsyncGenerator<PieceBytes, void, undefined> {
  options.signal?.throwIfAborted()
  await using worker = options.walk ?? startWalk(root, options)
  const onAbort = () => worker.abort()
  options.signal?.addEventListener('abort', onAbort)
  try {
    for (;;) {
      const message = await worker.next()
      options.signal?.throwIfAborted()
      if (message === null) throw errors.WALKER_LOST({ exitCode: worker.exitCode })
      if (message.kind === 'end') {
        options.catalog?.endTree(message.tree)
        return
      }
      if (message.kind === 'piece') {
        const { bytes } = message
        yield { bytes, [Symbol.dispose]: () => worker.giveBack(bytes.buffer) }
      } else await handle(message, options)
    }
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
  }
}

/** Checks and normalises the exclude patterns. Errors: EXCLUDE_INVALID. */
export function parseExcludes(
  options: Pick<EncodeTreeOptions, 'exclude' | 'skipLostAndFound' | 'onWarning'>,
): ExcludePattern[] {
  const { exclude = [], skipLostAndFound = false, onWarning } = options
  const patterns = exclude.map((text) => parseExcludeOption(text, onWarning))
  return skipLostAndFound ? [...patterns, lostAndFoundPattern()] : patterns
}

function walkOptions(options: EncodeTreeOptions): Omit<WalkOptions, 'root'> {
  const { includeDev = [] } = options
  return {
    excludes: parseExcludes(options),
    includeDevices: includeDev === 'all' ? null : includeDev,
    skipE2bigXattr: options.skipE2bigXattr ?? false,
    entriesMax: options.entriesMax ?? ENTRIES_MAX_DEFAULT,
    owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
  }
}

type OtherMessage = Exclude<WalkMessage, { kind: 'piece' | 'end' }>

async function handle(message: OtherMessage, options: EncodeTreeOptions): Promise<void> {
  switch (message.kind) {
    case 'catalog':
      return await options.catalog?.addTables(message.bytes)
    case 'warning':
      return options.onWarning(message.line)
    case 'log':
      return (options.onLog ?? options.onWarning)(message.line)
    case 'error':
      throw unpackError(message.error)
    default:
      message satisfies never
  }
}

/** A thread that walks; it waits while too much of what it found was not taken. */
export interface TreeWalk extends AsyncDisposable {
  /** The next message, or null when the thread has ended without the last one; the one before no longer counts as waiting. */
  next(): Promise<WalkMessage | null>
  /** The memory of a piece, for a later one. */
  giveBack(memory: ArrayBuffer): void
  abort(): void
  readonly exitCode: number
}

/** Starts the walk through `root`: it may run ahead of whoever takes the archive. Errors: EXCLUDE_INVALID. */
export function startWalk(root: string, options: EncodeTreeOptions): TreeWalk {
  const state: LinkState = newLinkState()
  const workerData: WalkWorkerData = { options: { root, ...walkOptions(options) }, state }
  const url = new URL('./walk-worker.ts', import.meta.url)
  const resourceLimits = { stackSizeMb: WORKER_STACK_MIB, maxYoungGenerationSizeMb: 8 }
  const worker = new Worker(url, { workerData, resourceLimits })
  const messages: WalkMessage[] = []
  let failure: { readonly error: unknown } | null = null
  let exitCode: number | null = null
  let isTaken = false
  let wake = () => {}
  worker.on('message', (message: WalkMessage) => {
    messages.push(message)
    wake()
  })
  worker.on('error', (error) => {
    failure = { error }
    wake()
  })
  const exited = new Promise<void>((resolve) => {
    worker.on('exit', (code) => {
      exitCode = code
      wake()
      resolve()
    })
  })

  return {
    async next() {
      if (isTaken) releaseMessage(state)
      isTaken = false
      for (;;) {
        const message = messages.shift()
        if (message !== undefined) {
          isTaken = true
          return message
        }
        if (failure !== null) throw failure.error
        if (exitCode !== null) return null
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
    giveBack: (memory) => worker.postMessage({ memory } satisfies ReturnedPiece, [memory]),
    abort: () => requestAbort(state),
    get exitCode() {
      return exitCode ?? 0
    },
    async [Symbol.asyncDispose]() {
      requestAbort(state)
      await exited
    },
  }
}
