/** Bodies collected whole, never past a bound. */

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
