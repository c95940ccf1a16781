/** Chunks that exist in every simulated world. */
export const CHUNK_COUNT = 5
