/** Content of datastores: parameters and shapes of `/admin/datastore` (rest-api §4.3). */
import { Type } from '../base/schema.ts'
import {
  AuthidText,
  closed,
  groupParameters,
  keepParameters,
  MaxDepth,
  Namespace,
  rawSnapshotParameters,
  SafeId,
  snapshotParameters,
  StoreName,
} from './common.ts'

import { S3StatisticsShape } from './s3.ts'

const store = { store: StoreName }
const Count = Type.Integer({ minimum: 0 })
const OptionalText = Type.Optional(Type.String())

export const StoreParameters = closed(store)
export const StoreListShape = Type.Array(
  Type.Object({
    store: Type.String(),
    comment: Type.Union([Type.String(), Type.Null()]),
    maintenance: OptionalText,
    'mount-status': Type.Enum(['mounted', 'notmounted', 'nonremovable']),
    'backend-type': Type.Enum(['filesystem', 's3']),
  }),
)

export const StatusParameters = closed({ ...store, verbose: Type.Optional(Type.Boolean()) })
const TypeCounts = Type.Union([Type.Object({ groups: Count, snapshots: Count }), Type.Null()])
export const GcParameters = closed({
  ...store,
  /** Ours: indexes that are gone, though nobody here removed them, are meant to be gone. */
  'confirm-vanished': Type.Optional(Type.Boolean()),
})
export const GcStatusShape = Type.Object({
  upid: Type.Union([Type.String(), Type.Null()]),
  'index-file-count': Count,
  'index-data-bytes': Count,
  'disk-bytes': Count,
  'disk-chunks': Count,
  'removed-bytes': Count,
  'removed-chunks': Count,
  'pending-bytes': Count,
  'pending-chunks': Count,
  'removed-bad': Count,
  'still-bad': Count,
})
export const GcEntryShape = Type.Intersect([
  GcStatusShape,
  Type.Object({
    store: Type.String(),
    schedule: OptionalText,
    /** Unix seconds. */
    'next-run': Type.Optional(Count),
    'last-run-endtime': Type.Optional(Count),
    'last-run-state': OptionalText,
    /** Seconds. */
    duration: Type.Optional(Count),
  }),
])
export const GcListParameters = closed({ store: Type.Optional(StoreName) })
export const GcListShape = Type.Array(GcEntryShape)
export const StatusShape = Type.Object({
  total: Count,
  used: Count,
  avail: Count,
  'backend-type': Type.String(),
  'gc-status': Type.Optional(GcStatusShape),
  's3-statistics': Type.Optional(S3StatisticsShape),
  counts: Type.Optional(
    Type.Object({ ct: TypeCounts, host: TypeCounts, vm: TypeCounts, other: TypeCounts }),
  ),
})
export const ActiveOperationsShape = Type.Object({ read: Count, write: Count })

export const NamespaceListParameters = closed({
  ...store,
  parent: Type.Optional(Namespace),
  'max-depth': Type.Optional(MaxDepth),
})
export const NamespaceListShape = Type.Array(
  Type.Object({ ns: Type.String(), comment: OptionalText }),
)
export const NamespaceCreateParameters = closed({
  ...store,
  name: Type.String({ minLength: 1, maxLength: 32, pattern: '^[A-Za-z0-9_][A-Za-z0-9._\\-]*$' }),
  parent: Type.Optional(Namespace),
})
export const NamespaceRemoveParameters = closed({
  ...store,
  ns: Namespace,
  'delete-groups': Type.Optional(Type.Boolean()),
  'error-on-protected': Type.Optional(Type.Boolean()),
})
export const RemovalShape = Type.Object({
  'removed-groups': Count,
  'removed-snapshots': Count,
  'protected-snapshots': Count,
})

export const GroupListParameters = closed({ ...store, ns: Type.Optional(Namespace) })
export const GroupListShape = Type.Array(
  Type.Object({
    'backup-type': Type.String(),
    'backup-id': Type.String(),
    'last-backup': Type.Integer(),
    'backup-count': Count,
    files: Type.Array(Type.String()),
    owner: OptionalText,
    comment: OptionalText,
  }),
)
export const GroupParameters = closed({ ...store, ...groupParameters })
export const GroupRemoveParameters = closed({
  ...store,
  ...groupParameters,
  'error-on-protected': Type.Optional(Type.Boolean()),
})
export const GroupNotesParameters = closed({ ...store, ...groupParameters, notes: Type.String() })
export const ChangeOwnerParameters = closed({
  ...store,
  ...groupParameters,
  'new-owner': AuthidText,
})

const FileShape = Type.Object({
  filename: Type.String(),
  'crypt-mode': Type.Optional(Type.Enum(['none', 'encrypt', 'sign-only'])),
  size: Type.Optional(Count),
})
export const FileListShape = Type.Array(FileShape)
export const SnapshotListParameters = closed({
  ...store,
  ns: Type.Optional(Namespace),
  'backup-type': Type.Optional(groupParameters['backup-type']),
  'backup-id': Type.Optional(groupParameters['backup-id']),
})
export const SnapshotListShape = Type.Array(
  Type.Object({
    'backup-type': Type.String(),
    'backup-id': Type.String(),
    'backup-time': Type.Integer(),
    files: FileListShape,
    size: Type.Optional(Count),
    owner: OptionalText,
    protected: Type.Boolean(),
    comment: OptionalText,
    fingerprint: OptionalText,
    verification: Type.Optional(
      Type.Object({ upid: Type.String(), state: Type.Enum(['ok', 'failed']) }),
    ),
  }),
)
export const SnapshotParameters = closed({ ...store, ...snapshotParameters })
export const NotesParameters = closed({ ...store, ...snapshotParameters, notes: Type.String() })
export const ProtectionParameters = closed({
  ...store,
  ...snapshotParameters,
  protected: Type.Boolean(),
})

export const DownloadParameters = closed({
  ...store,
  ...rawSnapshotParameters,
  'file-name': SafeId,
})
export const UploadLogParameters = closed({ ...store, ...rawSnapshotParameters })

export const VerifyParameters = closed({
  ...store,
  ns: Type.Optional(Namespace),
  'backup-type': Type.Optional(groupParameters['backup-type']),
  'backup-id': Type.Optional(groupParameters['backup-id']),
  'backup-time': Type.Optional(snapshotParameters['backup-time']),
  'ignore-verified': Type.Optional(Type.Boolean()),
  'outdated-after': Type.Optional(Type.Integer({ minimum: 0 })),
  'max-depth': Type.Optional(MaxDepth),
  'read-threads': Type.Optional(Type.Integer({ minimum: 1, maximum: 32 })),
  'verify-threads': Type.Optional(Type.Integer({ minimum: 1, maximum: 32 })),
  /** Ours: bytes read per second at most. */
  'rate-limit': Type.Optional(Type.Integer({ minimum: 1 })),
})
export const TaskStartedShape = Type.String({ description: 'UPID of the task that was started' })

export const PruneParameters = closed({
  ...store,
  ...groupParameters,
  ...keepParameters,
  'dry-run': Type.Optional(Type.Boolean()),
  'use-task': Type.Optional(Type.Boolean()),
})
/** Oldest first; the UPID of the task with `use-task`. */
export const PruneResultShape = Type.Union([
  Type.Array(
    Type.Object({
      'backup-type': Type.String(),
      'backup-id': Type.String(),
      'backup-time': Type.Integer(),
      keep: Type.Boolean(),
      protected: Type.Boolean(),
      ns: OptionalText,
    }),
  ),
  TaskStartedShape,
])
export const PruneDatastoreParameters = closed({
  ...store,
  ...keepParameters,
  ns: Type.Optional(Namespace),
  'max-depth': Type.Optional(MaxDepth),
  'dry-run': Type.Optional(Type.Boolean()),
})

export const MoveGroupParameters = closed({
  ...store,
  ...groupParameters,
  'target-ns': Type.Optional(Namespace),
  'merge-group': Type.Optional(Type.Boolean()),
})
export const MoveNamespaceParameters = closed({
  ...store,
  ns: Namespace,
  'target-ns': Namespace,
  'max-depth': Type.Optional(MaxDepth),
  'delete-source': Type.Optional(Type.Boolean()),
  'merge-groups': Type.Optional(Type.Boolean()),
})
