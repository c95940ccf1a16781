/** Parameters of the reader protocol's calls (backup-protocol.md 2.4, 5). */
import { Type } from '../base/schema.ts'
import { ChunkDigest, closed, SafeId, rawSnapshotParameters, StoreName } from './common.ts'

/** Exact value of the `Upgrade` header. */
export const READER_PROTOCOL = 'proxmox-backup-reader-protocol-v1'

/** Query of the upgrade. */
export const ReaderUpgrade = closed({
  store: StoreName,
  ...rawSnapshotParameters,
  debug: Type.Optional(Type.Boolean()),
})

export const DownloadFile = closed({ 'file-name': SafeId })

export const DownloadChunk = closed({ digest: ChunkDigest })
