/**
 * The few chunks that a simulated store knows. Their digests begin with 0000 to 0003, so that a collection has four folders
 * to look at; two of them share one.
 */
import { encodeChunk } from '../../src/formats/chunk.ts'
import type { Digest } from '../../src/formats/digest.ts'

export interface SimChunk {
  /** In printed schedules. */
  readonly name: string
  readonly plain: Uint8Array
  readonly digest: Digest
  readonly blob: Uint8Array
}

export const CHUNK_SIZE = 8
const TEXTS = ['c0045490', 'c0058125', 'c0068037', 'c0102882', 'c0119865']

async function makeChunks(): Promise<SimChunk[]> {
  const made: SimChunk[] = []
  for (const text of TEXTS) {
    const plain = Buffer.from(text)
    const { digest, blob } = await encodeChunk(plain, { compress: false })
    // No Buffer: its slices would share memory.
    made.push({ name: `d${made.length + 1}`, plain, digest, blob: new Uint8Array(blob) })
  }
  return made
}

export const CHUNKS: readonly SimChunk[] = await makeChunks()
const BY_DIGEST = new Map<string, SimChunk>(CHUNKS.map((chunk) => [chunk.digest, chunk]))

export function chunkOf(digest: string): SimChunk | undefined {
  return BY_DIGEST.get(digest)
}
