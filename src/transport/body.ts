/** Bodies collected whole, never past a bound. */
import type { Readable } from 'node:stream'

/** All bytes of `source`; throws `onTooLarge()` as soon as there are more than `sizeMax`. */
export async function collectBounded(
  source: AsyncIterable<unknown>,
  sizeMax: number,
  onTooLarge: () => Error,
): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of source as AsyncIterable<Uint8Array>) {
    size += piece.length
    if (size > sizeMax) throw onTooLarge()
    pieces.push(piece)
  }
  const only = pieces[0]
  if (pieces.length === 1 && only) return Buffer.from(only.buffer, only.byteOffset, only.length)
  return Buffer.concat(pieces, size)
}

/**
 * Copies all of `source` into `target`, which it must fill exactly. By events: an iterator costs several times as much
 * a piece, and a chunk has hundreds. Rejects with the stream's error, or when it ends early or late.
 */
export function readExactly(source: Readable, target: Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const endsWrong = (): void => reject(new Error('the body has another length than announced'))
  let size = 0
  source.on('data', (piece: Uint8Array) => {
    if (size + piece.length > target.length) return endsWrong()
    target.set(piece, size)
    size += piece.length
  })
  source.once('end', () => (size === target.length ? resolve() : endsWrong()))
  source.once('error', reject)
  source.once('close', () => reject(new Error('the stream ended early')))
  return promise
}
