/**
 * Chunks that an index names and that are not there. The marks say only how many: when fewer chunks were found than
 * marked, all indexes are read once more and each of their chunks is looked at. Stock warns of them while it marks.
 */
import { DIGEST_SIZE } from '../../formats/digest.ts'
import { DigestSet } from '../../formats/digest-map.ts'
import { INDEX_HEADER_SIZE } from '../../formats/archive-index.ts'
import { decodeIndexLayout, indexKindOf } from '../../formats/index-layout.ts'
import { quote } from '../debug-text.ts'
import { PIECE_SIZE } from './mark-index.ts'
import { Marks } from './marks.ts'
import type { CollectionRun } from './run.ts'
import type { Roots } from './roots.ts'

/** More lines help nobody. */
const LINES_MAX = 1_000

/** Warns of each missing chunk with the first index that names it, and notes it for the next backup (races.md R-32). All of them. */
export async function reportMissing(run: CollectionRun, roots: Roots): Promise<DigestSet> {
  const { store, progress } = run
  const looked = new Marks({ capacity: roots.marks.count, shared: false })
  const missing = new DigestSet()
  for (const { path } of roots.files) {
    for await (const digests of unlooked(run, path, looked)) {
      const look = await store.chunks.lookMany(digests, { signal: progress.signal })
      if (look.failure !== null) throw look.failure.error
      for (const digest of look.missing) {
        if (!missing.add(digest) || missing.size > LINES_MAX) continue
        const place = quote(`${store.path}/${path}`)
        const text = `warning: unable to access non-existent chunk ${digest}, required by ${place}`
        progress.warn(text)
        await store.core.missing.add(digest)
      }
    }
  }
  if (missing.size > LINES_MAX) progress.warn(`${missing.size} chunks are missing altogether`)
  return missing
}

/** Digests of an index that no index before had, in packed pieces; one that vanished has none. */
async function* unlooked(
  { store, progress }: CollectionRun,
  path: string,
  looked: Marks,
): AsyncGenerator<Uint8Array> {
  const full = `${store.path}/${path}`
  const handle = await store.fs.open(full, 'read').catch(() => null)
  if (handle === null) return
  await using _handle = handle
  const { size } = await handle.stat()
  const header = new Uint8Array(INDEX_HEADER_SIZE)
  await handle.read(header, 0)
  const { stride, digestOffset } = decodeIndexLayout(indexKindOf(path) ?? 'fixed', header, size)
  const piece = new Uint8Array(Math.floor(PIECE_SIZE / stride) * stride)
  for (let position = INDEX_HEADER_SIZE; position < size; position += piece.length) {
    progress.signal.throwIfAborted()
    const length = await handle.read(piece, position)
    const digests = new Uint8Array((length / stride) * DIGEST_SIZE)
    let end = 0
    for (let at = digestOffset; at + DIGEST_SIZE <= length; at += stride) {
      const before = looked.count
      if (looked.add(piece, at) < before) continue
      digests.set(piece.subarray(at, at + DIGEST_SIZE), end)
      end += DIGEST_SIZE
    }
    yield digests.subarray(0, end)
  }
}
