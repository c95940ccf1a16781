/** The errors of `storage`. Texts that stock clients read are stock's (datastore-semantics.md 3, formats.md 9.5). */
import { defineErrors } from '../base/define-errors.ts'

interface ChunkOfStore {
  readonly digest: string
  readonly store: string
}

export const errors = defineErrors({
  CHUNK_MISSING: {
    kind: 'NotFound',
    message: ({ path }: { readonly digest: string; readonly path: string }) =>
      `Cannot read chunk file '${path}': it is missing or empty`,
  },
  CHUNK_FILE_TYPE_WRONG: {
    kind: 'Corrupt',
    message: ({ digest, store }: ChunkOfStore) =>
      `got unexpected file type on store '${store}' for chunk ${digest}`,
  },
  CHUNK_PLAIN_KEPT: {
    kind: 'Conflict',
    message: ({ digest, store }: ChunkOfStore) =>
      `Overwriting unencrypted chunk '${digest}' on store '${store}' with encrypted chunk with same digest not allowed!`,
  },
  CHUNK_ENCRYPTED_KEPT: {
    kind: 'Conflict',
    message: ({ digest, store }: ChunkOfStore) =>
      `Overwriting existing (encrypted) chunk '${digest}' on store '${store}' is not allowed!`,
  },
  CHUNK_TOUCH_FAILED: {
    kind: 'Io',
    message: ({ path, reason }: { readonly path: string; readonly reason: string }) =>
      `update atime failed for chunk/file ${JSON.stringify(path)} - ${reason}`,
  },
  CHUNK_LOOK_FAILED: {
    kind: 'Io',
    message: ({ path, reason }: { readonly path: string; readonly reason: string }) =>
      `Cannot look at chunk file '${path}': ${reason}`,
  },
  CHUNK_CONTENT_WRONG: {
    kind: 'Corrupt',
    message: ({ path, reason }: { readonly path: string; readonly reason: string }) =>
      `Cannot use chunk '${path}': ${reason}`,
  },
  /** A delete of the key may still be executed, and there is no room for the bytes until that is over. */
  CHUNK_NOT_PINNED: {
    kind: 'Io',
    message: ({ digest }: { readonly digest: string }) =>
      `Cannot store chunk ${digest}: it may still be deleted by a former request, and there is no room to keep it until then`,
  },
  CHUNK_NOT_REMOVED: {
    kind: 'Io',
    message: ({ key, reason }: { readonly key: string; readonly reason: string }) =>
      `Cannot remove bad chunk '${key}': ${reason}`,
  },
  LEDGER_TOO_NEW: {
    kind: 'Unsupported',
    message: (data: { readonly path: string; readonly version: number }) =>
      `Cannot open ledger '${data.path}': it was written by a later release (version ${data.version})`,
  },
  LEDGER_FAILED: {
    kind: 'Io',
    message: ({ path, reason }: { readonly path: string; readonly reason: string }) =>
      `Cannot write ledger '${path}': ${reason}`,
  },
})
