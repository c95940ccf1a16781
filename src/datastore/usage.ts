/** How full the file system of a datastore is. */
import type { FileSystemUsage } from '../base/fs/file-system.ts'
import type { Datastore } from './datastore.ts'

/** Bytes: total, used, and what can still be written. */
export async function usage(store: Datastore): Promise<FileSystemUsage> {
  return await store.fs.usage(store.path)
}
