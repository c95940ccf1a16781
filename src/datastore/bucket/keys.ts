/** Every key of a datastore in its bucket; pure (formats.md 10.1, datastore-semantics.md 19.3). */
import { KEY_SIZE_MAX } from '../../storage/object-store.ts'
import { errors } from '../../storage/s3/errors.ts'

/** Folder of everything but chunks. */
export const CONTENT_FOLDER = '.cnt'
export const CHUNK_OBJECTS_FOLDER = '.chunks'
/** Stock's marker: `{"hostname":"<node>"}`. */
export const IN_USE_OBJECT = '.in-use'
/** Ours, see holder.ts; also the name of its copy in the datastore's folder. */
export const HOLDER_OBJECT = '.cairn-holder'
/** Marks a namespace, which may have nothing else in it. */
export const NAMESPACE_OBJECT = '.namespace'

/** Key of what lies at `path` below the datastore's folder. Throws S3_KEY_TOO_LONG with stock's text. */
export function contentKey(prefix: string, path: string): string {
  const part = `${CONTENT_FOLDER}/${path}`
  const length = Buffer.byteLength(part)
  if (length > KEY_SIZE_MAX) throw errors.S3_KEY_TOO_LONG({ length, limit: KEY_SIZE_MAX })
  return `${prefix}/${part}`
}

/** The path of a key that `contentKey` made; null for other keys. */
export function contentPath(prefix: string, key: string): string | null {
  const start = `${prefix}/${CONTENT_FOLDER}/`
  return key.startsWith(start) ? key.slice(start.length) : null
}
