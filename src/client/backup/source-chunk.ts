/** A piece of an archive on its way to the server. */

export interface SourceChunk {
  readonly bytes: Uint8Array
  /** True where the source knows that all bytes are zero; absent where somebody has to look. */
  readonly isZero?: boolean
  /** Called once, when nobody reads `bytes` any more. */
  release(): void
}

const NOTHING = () => {}

/** Chunks whose buffers nobody wants back. */
export async function* ownedChunks(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<SourceChunk, void, undefined> {
  for await (const bytes of source) yield { bytes, release: NOTHING }
}
