/** Parameters of the backup protocol's calls (backup-protocol.md 2.4, 4.2). */
import { Type } from '../base/schema.ts'
import { ChunkDigest, closed, SafeId, rawSnapshotParameters, StoreName } from './common.ts'

/** Exact value of the `Upgrade` header. */
export const BACKUP_PROTOCOL = 'proxmox-backup-protocol-v1'

const CHUNK_SIZE_MAX = 16 * 1024 * 1024
const ENCRYPTED_HEADER_SIZE = 44
const ENCODED_SIZE_MAX = CHUNK_SIZE_MAX + ENCRYPTED_HEADER_SIZE
const WriterId = Type.Integer({ minimum: 1, maximum: 256 })

/** Query of the upgrade. */
export const BackupUpgrade = closed({
  store: StoreName,
  ...rawSnapshotParameters,
  debug: Type.Optional(Type.Boolean()),
  benchmark: Type.Optional(Type.Boolean()),
  'no-cache': Type.Optional(Type.Boolean()),
})

export const UploadBlob = closed({
  'file-name': SafeId,
  'encoded-size': Type.Integer({ minimum: 12, maximum: ENCODED_SIZE_MAX }),
})

export const UploadChunk = closed({
  wid: WriterId,
  digest: ChunkDigest,
  size: Type.Integer({ minimum: 1, maximum: CHUNK_SIZE_MAX }),
  'encoded-size': Type.Integer({ minimum: 13, maximum: ENCODED_SIZE_MAX }),
})

export const CreateDynamicIndex = closed({ 'archive-name': SafeId })

export const CreateFixedIndex = closed({
  'archive-name': SafeId,
  size: Type.Optional(Type.Integer({ minimum: 1 })),
  'reuse-csum': Type.Optional(Type.String()),
})

export const AppendIndex = closed({
  wid: WriterId,
  'digest-list': Type.Array(ChunkDigest),
  'offset-list': Type.Array(Type.Integer({ minimum: 0 })),
})

export const CloseDynamicIndex = closed({
  wid: WriterId,
  'chunk-count': Type.Integer({ minimum: 1 }),
  size: Type.Integer({ minimum: 1 }),
  csum: Type.String(),
})

export const CloseFixedIndex = closed({
  wid: WriterId,
  'chunk-count': Type.Integer({ minimum: 0 }),
  size: Type.Integer({ minimum: 0 }),
  csum: Type.String(),
})

export const DownloadPrevious = closed({ 'archive-name': SafeId })
