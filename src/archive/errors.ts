/** Errors of the archive room. The texts are the ones stock tools print (pxar.md 9, formats.md 8). */
import { defineErrors } from '../base/define-errors.ts'

interface Text {
  readonly text: string
}

export const errors = defineErrors({
  /** A pxar stream breaks a rule of pxar.md section 9 or 10. */
  PXAR_INVALID: { kind: 'Corrupt', message: ({ text }: Text) => text },
  /** A pxar stream ends inside an item or before the root's GOODBYE. */
  PXAR_TRUNCATED: { kind: 'Corrupt', message: ({ text }: Text) => text },
  /** What should be written into a pxar archive has no form there. */
  PXAR_UNSTORABLE: { kind: 'Invalid', message: ({ text }: Text) => text },
  /** A path is not in the archive or in the catalog. */
  ARCHIVE_PATH_UNKNOWN: { kind: 'NotFound', message: ({ text }: Text) => text },
  /** A catalog breaks a rule of formats.md section 8. */
  CATALOG_INVALID: { kind: 'Corrupt', message: ({ text }: Text) => text },
  /** An exclude or include pattern has no meaning (pxar.md 13.1). */
  PATTERN_INVALID: { kind: 'Invalid', message: ({ text }: Text) => text },
})
