/** The chunks of the ingest benchmark: every other one is text, the rest does not compress. */
import { SeededRandom, SeededText } from './random.ts'

export const LOAD_CHUNK_SIZE = 4 << 20

const text = new SeededText('load').bytes(LOAD_CHUNK_SIZE)
const random = new SeededRandom('load').bytes(LOAD_CHUNK_SIZE)

/** Plain bytes of chunk `index`; every chunk of every seed is another one, by its first bytes. */
export function loadChunk(seed: string, index: number): Buffer {
  const chunk = Buffer.from(index % 2 === 1 ? text : random)
  chunk.write(`${seed} ${index};`)
  return chunk
}
