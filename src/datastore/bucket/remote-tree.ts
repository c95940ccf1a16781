/**
 * The copy of a datastore's tree in its bucket: everything but chunks (formats.md 10.1, datastore-semantics.md 19.5).
 * Paths are relative to the datastore's folder (`ns/a/vm/100/…/index.json.blob`); keys are `<store>/.cnt/<path>`.
 *
 * Who adds a reference writes remote first where losing the local copy is harmless; who removes removes remote first
 * (races.md R-57): after a crash at any step a refresh shows at least what clients were told.
 * Callers hold the locks that exclude other writers of the same path.
 * Errors: those of ObjectStore, SNAPSHOT_SUSPECT; then nothing local may be changed.
 */
export interface RemoteTree {
  /** Replaces the object. A late attempt of an older write must not win: If-Match where it is honoured (races.md R-70). */
  write(path: string, bytes: Uint8Array, options?: RemoteWriteOptions): Promise<void>
  /** Makes an empty marker (`.namespace`, `.protected`); one that is there is no error. */
  mark(path: string, signal?: AbortSignal): Promise<void>
  /** The object's bytes; null if there is none. */
  read(path: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer> | null>
  /** Whether nothing is below `folder`. */
  isEmpty(folder: string, signal?: AbortSignal): Promise<boolean>
  /** What is below `folder`, named from there. */
  namesIn(folder: string, signal?: AbortSignal): Promise<ReadonlySet<string>>
  /** Removes one object; a missing one is no error. Suspects are noted (races.md R-60). */
  remove(path: string, signal?: AbortSignal): Promise<void>
  /** Removes all objects below `folder`, the manifest first; `onBegin` is awaited before the first DELETE, if there is one. */
  removeTree(folder: string, options?: RemoveTreeOptions): Promise<void>
  /** Copies one object, if it is there: whether it was. For what never changes: indexes, blobs. */
  copy(from: string, to: string, signal?: AbortSignal): Promise<boolean>
  /** Throws SNAPSHOT_SUSPECT while a delete below `folder` may still be executed: nothing may be put there. */
  checkUsable(folder: string): Promise<void>
}

export interface RemoveTreeOptions {
  readonly onBegin?: () => Promise<void>
  readonly signal?: AbortSignal
}

export interface RemoteWriteOptions {
  /** Probably nothing is there: saves a request. Default false. */
  readonly isNew?: boolean
  /** Throws BUCKET_OBJECT_GONE if nothing is there: it says something of other objects that went with it. */
  readonly replaces?: boolean
  readonly signal?: AbortSignal | undefined
}
