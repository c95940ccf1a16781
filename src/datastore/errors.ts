/**
 * The errors of `datastore`. Texts are those that stock's API answers (datastore-semantics.md 5.3, 6, 9;
 * backup-protocol.md 2.5, 4); one whole message each. `data.status` where the wire's status is not the kind's.
 */
import { defineErrors } from '../base/define-errors.ts'
import { quote } from './debug-text.ts'

const NOT_FOUND_STATUS = 404
const BAD_REQUEST_STATUS = 400

interface LockPath {
  readonly path: string
}
interface Text {
  readonly text: string
}
interface Reason {
  readonly reason: string
}
/** Endpoint and bucket. */
interface Place {
  readonly place: string
}
interface ObjectPlace extends Place {
  readonly key: string
}

/** Data with the status that the wire wants although the kind says another. */
export const asNotFound = { status: NOT_FOUND_STATUS } as const
export const asBadRequest = { status: BAD_REQUEST_STATUS } as const

export const errors = defineErrors({
  // Datastores (3.1, 13)
  DATASTORE_UNKNOWN: {
    kind: 'Invalid',
    message: ({ store }: { readonly store: string }) => `no such datastore '${store}'`,
  },
  DATASTORE_UNAVAILABLE: {
    kind: 'Conflict',
    message: ({ store, reason }: { readonly store: string } & Reason) =>
      `datastore '${store}' is unavailable: ${reason}`,
  },
  DATASTORE_OPEN_FAILED: {
    kind: 'Io',
    message: ({ path, reason }: LockPath & Reason) =>
      `unable to open chunk store at ${quote(path)} - ${reason}`,
  },
  DATASTORE_CREATE_FAILED: { kind: 'Invalid', message: ({ text }: Text) => text },

  // Buckets (19; races.md)
  /** A request to remove what was there before may still be executed. */
  SNAPSHOT_SUSPECT: {
    kind: 'Conflict',
    message: ({ path, endMs }: LockPath & { readonly endMs: number }) =>
      `Cannot write ${quote(path)} to the bucket: a removal there was not answered and may be executed until ${new Date(endMs).toISOString()}`,
  },
  BUCKET_STALE: {
    kind: 'Conflict',
    message: ({ place, reason }: Place & Reason) =>
      `Cannot remove chunks from ${place}: ${reason}; run s3-refresh first`,
  },
  BUCKET_DOUBTFUL: {
    kind: 'Conflict',
    message: ({ place, endMs }: Place & { readonly endMs: number }) =>
      `Cannot remove chunks from ${place} before ${new Date(endMs).toISOString()}: ` +
      'until then requests that are not known here may still be executed there; try again then',
    retryable: true,
  },
  BUCKET_COLLECTED: {
    kind: 'Conflict',
    message: ({ place, hostname, reason }: Place & Reason & { readonly hostname: string }) =>
      `Cannot use ${place}: ${reason}, and host '${hostname}' collects its garbage; run s3-refresh, or wait`,
    retryable: true,
  },
  BUCKET_HELD: {
    kind: 'Conflict',
    message: ({ place, reason }: Place & Reason) =>
      `Cannot refresh from ${place}: ${reason}; overwrite-in-use takes it over`,
  },
  BUCKET_CLAIM_FAILED: {
    kind: 'Conflict',
    message: ({ place, reason }: Place & Reason) => `Cannot claim ${place}: ${reason}`,
  },
  BUCKET_BUSY: {
    kind: 'Conflict',
    message: (_data: { readonly store: string }) => 'datastore is currently in use',
  },
  BUCKET_DELETE_FAILED: {
    kind: 'Io',
    message: ({ place, key, reason, count }: ObjectPlace & Reason & { readonly count: number }) =>
      `Cannot delete ${count} object(s) of ${place}, the first '${key}': ${reason}`,
    retryable: true,
  },
  BUCKET_OBJECT_CHANGES: {
    kind: 'Conflict',
    message: ({ place, key }: ObjectPlace) =>
      `Cannot write '${key}' of ${place}: somebody else changes it at the same time`,
  },
  BUCKET_OBJECT_GONE: {
    kind: 'NotFound',
    message: ({ place, key }: ObjectPlace) =>
      `Cannot replace '${key}' of ${place}: it is not there any more; an S3 refresh shows what is`,
  },
  BUCKET_CONTENT_WRONG: {
    kind: 'Corrupt',
    message: ({ place, key, reason }: ObjectPlace & Reason) =>
      `Cannot fetch '${key}' of ${place}: ${reason}`,
  },

  // Locks (5.3); the cause says why
  GROUP_LOCK_BUSY: {
    kind: 'Conflict',
    message: ({ path }: LockPath) => `unable to acquire backup group lock ${quote(path)}`,
  },
  SNAPSHOT_LOCK_BUSY: {
    kind: 'Conflict',
    message: ({ path }: LockPath) => `unable to acquire snapshot lock ${quote(path)}`,
  },
  SHARED_SNAPSHOT_LOCK_BUSY: {
    kind: 'Conflict',
    message: ({ path }: LockPath) => `unable to acquire shared snapshot lock ${quote(path)}`,
  },
  MANIFEST_LOCK_BUSY: {
    kind: 'Conflict',
    message: ({ path }: LockPath) => `unable to acquire manifest lock ${quote(path)}`,
  },
  /** A text of the table in 5.3 in front of one of the four above. */
  LOCKED: { kind: 'Conflict', message: ({ text }: Text) => text },

  // Namespaces (6, 9.3)
  NAMESPACE_MISSING: {
    kind: 'NotFound',
    message: (_data: typeof asNotFound) => 'namespace not found',
  },
  NAMESPACE_PARENT_MISSING: {
    kind: 'Invalid',
    message: ({ parent }: { readonly parent: string }) =>
      `cannot create new namespace, parent ${parent} doesn't already exists`,
  },
  NAMESPACE_IS_ROOT: { kind: 'Invalid', message: () => 'Cannot create/delete root namespace!' },
  NAMESPACE_NOT_EMPTY: {
    kind: 'Conflict',
    message: () => 'only partially deleted due to existing groups but `delete-groups` not true',
  },

  NAMESPACE_LEFT: {
    kind: 'Conflict',
    message: ({ ns }: { readonly ns: string }) =>
      `Cannot remove namespace '${ns}' whole: something else is in it or was made meanwhile`,
  },
  /** Of groups and namespaces (17). */
  MOVE_REFUSED: { kind: 'Conflict', message: ({ text }: Text) => text },

  // Groups (6, 9.2)
  GROUP_OWNER_UNREADABLE: {
    kind: 'Invalid',
    message: ({ path, reason }: LockPath & Reason) => `unable to read ${quote(path)} - ${reason}`,
  },
  GROUP_OWNER_INVALID: {
    kind: 'Corrupt',
    message: ({ group }: { readonly group: string }) =>
      `parsing owner for ${group} failed: not a valid user id`,
  },
  GROUP_OWNER_DIFFERS: {
    kind: 'Conflict',
    message: ({ caller, owner }: { readonly caller: string; readonly owner: string }) =>
      `backup owner check failed (${caller} != ${owner})`,
  },
  READER_OWNER_DIFFERS: { kind: 'Conflict', message: () => 'backup owner check failed!' },
  GROUP_MISSING: { kind: 'Invalid', message: ({ text }: Text) => text },
  GROUP_HAS_PROTECTED: {
    kind: 'Conflict',
    message: () => 'group only partially deleted due to protected snapshots',
  },

  // Snapshots (6, 9.1)
  SNAPSHOT_MISSING: { kind: 'Invalid', message: ({ text }: Text) => text },
  SNAPSHOT_PROTECTED: { kind: 'Conflict', message: ({ text }: Text) => text },
  /** In a bucket only: what is there may be half of it. */
  SNAPSHOT_LEAVING: {
    kind: 'Conflict',
    message: ({ path }: LockPath) =>
      `Cannot change snapshot ${quote(path)}: its removal began and did not end; forget it again, or let a collection end it`,
  },
  SNAPSHOT_CHANGED: {
    kind: 'Conflict',
    message: ({ path }: LockPath) =>
      `Cannot remove snapshot ${quote(path)}: it was finished after the decision`,
  },
  BLOB_LOAD_FAILED: {
    kind: 'Corrupt',
    message: ({ path, reason }: LockPath & Reason) =>
      `unable to load blob '${quote(path)}' - ${reason}`,
  },
  FILE_OPEN_FAILED: {
    kind: 'Io',
    message: ({ path, reason }: LockPath & Reason) => `open file ${quote(path)} failed: ${reason}`,
  },
  FILE_MISSING: {
    kind: 'NotFound',
    message: ({ path }: LockPath & typeof asNotFound) =>
      `open file ${quote(path)} failed - not found`,
  },
  INDEX_OPEN_FAILED: {
    kind: 'Corrupt',
    message: ({ kind, path, reason }: { readonly kind: string } & LockPath & Reason) =>
      `Unable to open ${kind} index ${quote(path)} - ${reason}`,
  },
  FILE_NAME_INVALID: {
    kind: 'Invalid',
    message: ({ name }: { readonly name: string }) =>
      `Cannot open file ${quote(name)} of a snapshot: not a safe name`,
  },
  CLIENT_LOG_EXISTS: { kind: 'Conflict', message: () => 'backup already contains a log.' },
  CHUNK_FILE_UNREADABLE: {
    kind: 'Io',
    message: ({ path, reason }: LockPath & Reason) =>
      `reading file ${quote(path)} failed: ${reason}`,
  },
  CHUNK_SIZE_WRONG: {
    kind: 'Corrupt',
    message: ({ expected, actual }: { readonly expected: number; readonly actual: number }) =>
      `read chunk with wrong size (${actual} != ${expected})`,
  },
  VERIFY_FILE_FAILED: { kind: 'Corrupt', message: ({ text }: Text) => text },
  /** The closing line that stock's tools look for. */
  VERIFICATION_FAILED: {
    kind: 'Corrupt',
    message: () => 'verification failed - please check the log for details',
  },

  // Sessions (backup-protocol.md 2.5, 4); one code, many texts that clients read
  BACKUP_REFUSED: { kind: 'Invalid', message: ({ text }: Text) => text },
  SESSION_REFUSED: { kind: 'Invalid', message: ({ text }: Text) => text },
  SESSION_STATE: { kind: 'Conflict', message: ({ text }: Text) => text },
  SESSION_FAILED: { kind: 'Io', message: ({ text }: Text) => text },
  KNOWN_CHUNK_MISSING: {
    kind: 'Conflict',
    message: ({ text }: Text & { readonly digest: string }) => text,
  },
  // Collection (12.1, 12.2, 12.4; races.md 9.5)
  COLLECTION_RUNNING: {
    kind: 'Conflict',
    message: () => 'Start GC failed - (already running/locked)',
  },
  /** Nothing was removed; `reason` says what did not add up. */
  COLLECTION_UNSAFE: {
    kind: 'Conflict',
    message: ({ reason }: Reason) => `Aborting GC for safety reasons: ${reason}`,
  },
  COLLECTION_MARK_FAILED: {
    kind: 'Corrupt',
    message: ({ reason }: Reason) => `marking used chunks failed: ${reason}`,
  },
  COLLECTION_SWEEP_FAILED: {
    kind: 'Io',
    message: ({ path, reason }: LockPath & Reason) =>
      `unlinking chunk ${quote(path)} failed - ${reason}`,
  },
  SYNC_FAILED: {
    kind: 'Io',
    message: ({ path, reason }: LockPath & Reason) =>
      `syncing filesystem for backing path ${quote(path)} failed - ${reason}`,
  },
})
