/** Errors of extracting an archive; the texts are the stock client's (pxar.md 9 and 16). */
import { defineErrors } from '../../base/define-errors.ts'

interface Text {
  readonly text: string
}

export const errors = defineErrors({
  /** The archive cannot be read; `text` says where and why in stock's words. */
  EXTRACT_ARCHIVE_INVALID: { kind: 'Corrupt', message: ({ text }: Text) => text },
  /** One entry cannot be written: the first one ends the extraction unless errors are collected. */
  EXTRACT_ENTRY_FAILED: { kind: 'Io', message: ({ text }: Text) => text },
  /** The target directory cannot be made or opened. */
  EXTRACT_TARGET_FAILED: { kind: 'Io', message: ({ text }: Text) => text },
  /** The thread that writes the files ended without saying why. */
  EXTRACTOR_LOST: {
    kind: 'Io',
    message: ({ exitCode }: { exitCode: number }) =>
      `Cannot extract the archive: its thread ended with code ${exitCode}`,
  },
})
