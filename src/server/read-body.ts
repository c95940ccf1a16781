/** Request bodies, bounded. */
import { isSystemError } from '../base/errors.ts'
import { errors } from '../protocol/errors.ts'

/** All of `source`. Errors: BODY_TOO_LARGE at `sizeMax` bytes or more, BODY_BROKEN. */
export async function readBody(
  source: AsyncIterable<Uint8Array>,
  sizeMax: number,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let size = 0
  try {
    for await (const piece of source) {
      size += piece.length
      if (size >= sizeMax) throw errors.BODY_TOO_LARGE({ sizeMax })
      pieces.push(piece)
    }
  } catch (error) {
    throw isSystemError(error, 'ECONNRESET') ? errors.BODY_BROKEN({}, { cause: error }) : error
  }
  return pieces.length === 1 ? (pieces[0] ?? new Uint8Array(0)) : Buffer.concat(pieces)
}
