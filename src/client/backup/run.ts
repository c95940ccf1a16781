/** What the parts of one backup share. */
import type { CryptConfig } from '../../crypto/crypt-config.ts'
import type { CryptMode } from '../../formats/crypt-mode.ts'
import type { Manifest } from '../../formats/manifest.ts'
import type { BackupSession } from '../backup-session.ts'
import type { ClientHost } from '../host.ts'

export interface BackupRun {
  readonly host: ClientHost
  readonly session: BackupSession
  /** Of the snapshot before, if its chunks can be used. */
  readonly previous: Manifest | null
  /** Set when chunks and blobs are encrypted. */
  readonly crypt: CryptConfig | null
  readonly mode: CryptMode
  /** Display form, for log lines. */
  readonly repository: string
  readonly signal: AbortSignal | undefined
  /** Grows with every file that was uploaded. */
  manifest: Manifest
}

/** How trees are walked (spec cli 4.2). */
export interface TreeOptions {
  readonly exclude: readonly string[]
  /** Folders whose file systems are entered; `all` for every one. */
  readonly includeDev: readonly string[] | 'all'
  readonly entriesMax: number
  readonly skipLostAndFound: boolean
  readonly skipE2bigXattr: boolean
}
