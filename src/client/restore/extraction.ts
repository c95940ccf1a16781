/** One extraction with waiting calls: bytes of an archive in, files below the target out. */
import { constants, mkdirSync } from 'node:fs'
import type { MatchEntry } from '../../archive/path-pattern.ts'
import { PxarDecoder } from '../../archive/pxar/decoder.ts'
import { CairnError, errorChain } from '../../base/errors.ts'
import { closeFd, openAt } from '../../base/fs/native-at.ts'
import { systemText } from '../system-text.ts'
import { errors } from './errors.ts'
import { Selection } from './selection.ts'
import {
  type ExtractorOptions,
  type ExtractStatistics,
  StoppedError,
  TreeExtractor,
} from './tree-extractor.ts'

const AT_FDCWD = -100
const O_CLOEXEC = 0o2000000

export interface ExtractionPlan {
  readonly target: string
  /** Empty: everything is taken. */
  readonly patterns: readonly MatchEntry[]
  readonly options: ExtractorOptions
}

export interface Extraction {
  /** Takes the next bytes, which are read only until it returns. */
  push(bytes: Uint8Array): void
  /** The archive has ended. */
  finish(): ExtractStatistics
  /** Closes what is open; also after an error. */
  close(): void
}

/**
 * Opens the target and waits for bytes. With `onError`, failed entries are told to it and left; without
 * it the first one is thrown. Errors: those of errors.ts beside this file.
 */
export function startExtraction(
  plan: ExtractionPlan,
  {
    onError,
    onWarning,
  }: {
    readonly onError: ((error: Error) => void) | null
    readonly onWarning: (line: string) => void
  },
): Extraction {
  const root = openTarget(plan.target)
  const extractor = new TreeExtractor(root, plan.options, {
    selection: new Selection(plan.patterns),
    onWarning,
    onFailure(text, cause) {
      if (onError === null) {
        const full = `encountered unexpected error during extraction: ${text}`
        throw errors.EXTRACT_ENTRY_FAILED({ text: full }, { cause })
      }
      onError(errors.EXTRACT_ENTRY_FAILED({ text }, { cause }))
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
